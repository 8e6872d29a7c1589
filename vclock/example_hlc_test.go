package vclock_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/plinth-go/plinth/vclock"
)

// clockAt is a clock that shows so many seconds past three.
func clockAt(seconds *float64) func() time.Time {
	three := time.Date(2026, 11, 27, 15, 0, 0, 0, time.UTC)
	return func() time.Time { return three.Add(time.Duration(*seconds * float64(time.Second))) }
}

func ExampleHLC() {
	anna, ben := 7.0, 6.8 // his clock is late
	a, _ := vclock.NewHLC(vclock.HLCConfig{Now: clockAt(&anna)})
	b, _ := vclock.NewHLC(vclock.HLCConfig{Now: clockAt(&ben)})

	written, _ := a.Now()
	read, _ := b.Update(written)
	answered, _ := b.Now()
	fmt.Println(written)
	fmt.Println(read)
	fmt.Println(answered)

	ben = 7.1
	later, _ := b.Now()
	fmt.Println(later)

	anna = 3600 // an hour ahead: nobody is to follow
	wrong, _ := a.Now()
	_, err := b.Update(wrong)
	fmt.Println(errors.Is(err, vclock.ErrDrift), err)
	// Output:
	// 2026-11-27T15:00:07.000000000Z
	// 2026-11-27T15:00:07.000000000Z+1
	// 2026-11-27T15:00:07.000000000Z+2
	// 2026-11-27T15:00:07.100000000Z
	// true vclock: too far in the future: 2026-11-27T16:00:00.000000000Z is 59m52.9s ahead of the clock, at most 500ms
}

func ExampleHLC_Reserve() {
	seconds := 10.0
	h, _ := vclock.NewHLC(vclock.HLCConfig{Now: clockAt(&seconds)})
	disk := h.Reserve(2 * time.Second) // is written there before anybody gets a Timestamp

	now, _ := h.Now()
	fmt.Println(now, now.Compare(disk) <= 0)

	seconds = 60 // the clock has stepped forward
	now, _ = h.Now()
	fmt.Println(now, now.Compare(disk) <= 0)
	disk = h.Reserve(2 * time.Second) // and is written there before anybody gets this one

	seconds = 11 // it is right again, and the process begins anew
	h, _ = vclock.NewHLC(vclock.HLCConfig{Now: clockAt(&seconds), Floor: disk})
	now, _ = h.Now()
	fmt.Println(now)
	// Output:
	// 2026-11-27T15:00:10.000000000Z true
	// 2026-11-27T15:01:00.000000000Z false
	// 2026-11-27T15:01:02.000000000Z+1
}

func ExampleHLCConfig() {
	_, err := vclock.NewHLC(vclock.HLCConfig{MaxDrift: -time.Second})
	fmt.Println(err)
	// Output: vclock: NewHLC: a MaxDrift of -1s: want 0 or more
}

func ExampleSkew() {
	seconds := 10.0
	h, _ := vclock.NewHLC(vclock.HLCConfig{Now: clockAt(&seconds)})
	_, _ = h.Now()
	seconds = 8.5
	for range 3 {
		_, _ = h.Now()
	}
	fmt.Println(h.Last(), h.Skew().Jumps, h.Skew().Largest)
	// Output: 2026-11-27T15:00:10.000000000Z+3 1 1.5s
}

func ExampleTimestamp() {
	at := time.Date(2026, 11, 27, 15, 4, 5, 123456789, time.UTC)
	t := vclock.Timestamp{Wall: at.UnixNano(), Logical: 5}
	text, _ := json.Marshal(t)
	binary, _ := t.MarshalBinary()
	fmt.Printf("%s, or %d bytes\n", text, len(binary))

	key := t.Pack()
	earliest, _ := vclock.Unpack(key)
	fmt.Printf("%#x is from %v on\n", key, earliest)
	// Output:
	// "2026-11-27T15:04:05.123456789Z+5", or 11 bytes
	// 0x1a21d88f70374f0 is from 2026-11-27T15:04:05.123456788Z on
}
