package crdt

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// newText returns an empty register of strings.
func newText() *LWWRegister[string] { return NewLWWRegister(vclock.StringCodec{}) }

// nearby is a Timestamp that another one is likely to be equal to, some of them before 1970.
func nearby(r *rand.Rand) vclock.Timestamp {
	return vclock.Timestamp{Wall: int64(r.IntN(4) - 2), Logical: uint32(r.IntN(2))}
}

func (r *LWWRegister[V]) invariant(t *testing.T) {
	t.Helper()
	_, is := r.Get()
	require.Equal(t, r.has, is)
	if !r.has {
		require.Empty(t, r.value)
	}
	if r.last.by == "" {
		require.False(t, r.has)
		require.Zero(t, r.last)
	}
}

// TestLWWRegisterLaws. Planted and caught: an order of times alone, or of times and names alone; a deletion that forgets its
// Timestamp; a Merge that takes what is older; a time before 1970 that is before never.
func TestLWWRegisterLaws(t *testing.T) {
	laws[*LWWRegister[string]]{
		zero: newText,
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, s *LWWRegister[string]) *LWWRegister[string] {
			at := nearby(r)
			if r.IntN(2) == 0 {
				id = "b" // a name that several use
			}
			last, by := s.Stamp()
			later := by == "" || at.Compare(last) > 0 || at == last && id > by
			if r.IntN(4) == 0 {
				delta, err := s.Delete(at, id)
				require.NoError(t, err)
				if _, is := s.Get(); later {
					require.False(t, is)
				}
				return delta
			}
			v := string(rune('p' + r.IntN(3)))
			delta, err := s.Set(at, id, v)
			require.NoError(t, err)
			if later {
				got, is := s.Get()
				require.True(t, is)
				require.Equal(t, v, got)
			}
			return delta
		},
		invariant: func(t *testing.T, s *LWWRegister[string]) { s.invariant(t) },
	}.check(t)
}

// TestLWWRegisterIsTheLast: beside a list of all writes, which come in any order.
func TestLWWRegisterIsTheLast(t *testing.T) {
	type written struct {
		at vclock.Timestamp
		by vclock.ID
		v  string // "" is a deletion
	}
	r := seed.New(t)
	for range 300 {
		var last written
		var deltas []*LWWRegister[string]
		for i := range 1 + r.IntN(6) {
			w := written{nearby(r), vclock.ID(rune('a' + r.IntN(2))), []string{"", "x", "xx", "y"}[r.IntN(4)]}
			if i == 0 || w.at.Wall > last.at.Wall || w.at.Wall == last.at.Wall && (w.at.Logical > last.at.Logical ||
				w.at.Logical == last.at.Logical && (w.by > last.by || w.by == last.by && longer(w.v, last.v))) {
				last = w
			}
			delta, err := newText().Set(w.at, w.by, w.v)
			if w.v == "" {
				delta, err = newText().Delete(w.at, w.by)
			}
			require.NoError(t, err)
			deltas = append(deltas, delta)
		}
		r.Shuffle(len(deltas), func(i, j int) { deltas[i], deltas[j] = deltas[j], deltas[i] })
		all := Join(newText(), deltas...)
		got, is := all.Get()
		require.Equal(t, last.v != "", is)
		require.Equal(t, last.v, got)
		at, by := all.Stamp()
		require.Equal(t, last.at, at)
		require.Equal(t, last.by, by)
	}
}

// longer is the order of what StringCodec writes: the length comes first.
func longer(v, w string) bool { return len(v) > len(w) || len(v) == len(w) && v > w }

// TestTheSameStampTwice: a name and a Timestamp that were used twice, by who has lost his clock and his disk, say. All
// have the same in the end, in whatever order it came.
func TestTheSameStampTwice(t *testing.T) {
	a, b, c := newText(), newText(), newText()
	tea, _ := a.Set(nanos(5), "a", "tea")
	eggs, _ := b.Set(nanos(5), "a", "eggs")
	gone, _ := c.Delete(nanos(5), "a")
	for _, order := range [][]*LWWRegister[string]{{tea, eggs, gone}, {gone, eggs, tea}, {eggs, gone, tea}} {
		v, is := Join(newText(), order...).Get()
		require.True(t, is, "a value is more than none")
		require.Equal(t, "eggs", v, "04… is more than 03…")
	}
}

// TestADeletionKeepsItsTime: what is older than the deletion stays away, whenever it comes.
func TestADeletionKeepsItsTime(t *testing.T) {
	a, b := newText(), newText()
	tea, _ := a.Set(nanos(1), "a", "tea")
	gone, _ := b.Delete(nanos(2), "b")
	b.Merge(tea)
	_, is := b.Get()
	require.False(t, is)
	a.Merge(gone)
	require.Equal(t, vclock.Equal, a.Compare(b))
	lost, err := a.Set(nanos(1), "z", "milk")
	require.NoError(t, err)
	require.Equal(t, bytesOf(t, newText()), bytesOf(t, lost), "it is lost at once")
	back, err := a.Set(nanos(3), "a", "milk")
	require.NoError(t, err)
	require.True(t, b.Merge(back))
}

// TestAClockThatIsAheadWins: a's clock is a day ahead. For a day, all that others write is lost, also if they have
// read what a wrote before. A hybrid clock that hears of each message before it is merged refuses a; and one that is ahead by
// less than MaxDrift does no harm to who has read.
func TestAClockThatIsAheadWins(t *testing.T) {
	noon := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	wall := func(after time.Duration) vclock.Timestamp { return vclock.Timestamp{Wall: noon.Add(after).UnixNano()} }
	const day = 24 * time.Hour

	a, b := newText(), newText()
	wrong, _ := a.Set(wall(day), "a", "from tomorrow")
	b.Merge(wrong)
	for _, after := range []time.Duration{time.Second, time.Hour, day - 1} {
		delta, err := b.Set(wall(after), "b", "the mend")
		require.NoError(t, err)
		_, by := delta.Stamp()
		require.Empty(t, by, "lost, %v later", after)
	}
	_, _ = b.Set(wall(day+1), "b", "the mend")
	v, _ := b.Get()
	require.Equal(t, "the mend", v, "a day later")

	clock, err := vclock.NewHLC(vclock.HLCConfig{Now: func() time.Time { return noon }})
	require.NoError(t, err)
	sent, _ := wrong.Stamp()
	_, err = clock.Update(sent)
	require.ErrorIs(t, err, vclock.ErrDrift, "so it is not merged")

	c := newText()
	little, _ := a.Clone().Set(wall(day+400*time.Millisecond), "a", "no")
	require.NotNil(t, little)
	ahead, _ := newText().Set(wall(400*time.Millisecond), "a", "a little ahead")
	sent, _ = ahead.Stamp()
	_, err = clock.Update(sent)
	require.NoError(t, err)
	c.Merge(ahead)
	now, err := clock.Now()
	require.NoError(t, err)
	_, _ = c.Set(now, "c", "an answer to that")
	v, _ = c.Get()
	require.Equal(t, "an answer to that", v)
}

// unfaithful writes what it cannot read, or fails, as the value says.
type unfaithful struct{}

var errUnfaithful = errors.New("odd")

func (unfaithful) Append(b []byte, v int) ([]byte, error) {
	if v == 1 {
		return nil, errUnfaithful
	}
	return append(b, byte(v)), nil
}

func (unfaithful) Parse(b []byte) (int, []byte, error) {
	if len(b) == 0 || b[0] == 2 {
		return 0, nil, errUnfaithful
	}
	return int(b[0]) &^ 1, b[1:], nil
}

func TestLWWRegisterRefuses(t *testing.T) {
	require.PanicsWithValue(t, "crdt: NewLWWRegister without a codec", func() { NewLWWRegister[int](nil) })
	r := NewLWWRegister[int](unfaithful{})
	_, err := r.Set(nanos(1), "a", 4)
	require.NoError(t, err)
	before := bytesOf(t, r)
	_, err = r.Set(nanos(2), "a", 1)
	require.ErrorIs(t, err, errUnfaithful)
	require.ErrorContains(t, err, "crdt: LWWRegister: the value of a at 1970-01-01T00:00:00.000000002Z: odd")
	for _, v := range []int{2, 3} {
		_, err = r.Set(nanos(2), "a", v)
		require.ErrorIs(t, err, ErrCorrupt, "nobody could read it")
		require.ErrorContains(t, err, "that its codec has written")
	}
	_, err = r.Set(nanos(2), "", 4)
	require.ErrorIs(t, err, vclock.ErrID)
	_, err = r.Delete(nanos(2), "\xff")
	require.ErrorIs(t, err, vclock.ErrID)
	require.Equal(t, before, bytesOf(t, r))
}

// TestTheZeroLWWRegister can be read, written to, and merged.
func TestTheZeroLWWRegister(t *testing.T) {
	var zero LWWRegister[string]
	_, is := zero.Get()
	require.False(t, is)
	require.Equal(t, "<none>", zero.String())
	_, err := zero.Set(nanos(1), "a", "tea")
	require.ErrorIs(t, err, errNoCodec)
	require.ErrorIs(t, zero.UnmarshalBinary([]byte("\x20\x00")), errNoCodec)
	require.Equal(t, "\x20\x00", bytesOf(t, &zero))
	tea, _ := newText().Set(nanos(1), "a", "tea")
	require.True(t, zero.Merge(tea))
	require.Equal(t, "tea", zero.String())
	require.False(t, tea.Merge(new(LWWRegister[string])))
	later := LWWRegister[string]{}
	_, err = later.Delete(nanos(9), "b")
	require.NoError(t, err)
	tea.Merge(&later)
	_, err = tea.Set(nanos(10), "a", "milk")
	require.NoError(t, err, "its codec is its own")
}

// TestLWWRegisterSharesNothing: neither what was set nor what was got is a part of it.
func TestLWWRegisterSharesNothing(t *testing.T) {
	r := NewLWWRegister[[]byte](vclock.BytesCodec{})
	given := []byte("tea")
	delta, err := r.Set(nanos(1), "a", given)
	require.NoError(t, err)
	given[0] = 'x'
	got, _ := r.Get()
	got[1] = 'x'
	for _, s := range []*LWWRegister[[]byte]{r, delta, r.Clone()} {
		v, _ := s.Get()
		require.Equal(t, "tea", string(v))
	}
}

func TestLWWRegisterBytes(t *testing.T) {
	r := newText()
	formIs(t, r, newText(), "2000", "null")
	_, _ = r.Delete(vclock.Timestamp{Wall: -1}, "ab")
	formIs(t, r, newText(), "2001010042ab", "null")
	_, _ = r.Set(vclock.Timestamp{Wall: 100, Logical: 5}, "a", "tea")
	formIs(t, r, newText(), "2002c80105016103746561", `"tea"`)
	_, err := json.Marshal(NewLWWRegister[int](unfaithful{}))
	require.NoError(t, err)
	formsRefused(t, r, map[string]string{
		"":                         "it ends here",
		"21":                       "version 1 of its form",
		"2800":                     "this is a form of MVRegister",
		"20":                       "it ends here",
		"2003":                     "a state of 3, at most 2",
		"200000":                   "1 bytes after the end",
		"2001000000":               "bad ID: it is empty",
		"2001000001ff":             "is not UTF-8",
		"200100001161":             "byte 5: 17 bytes, but 1 are left",
		"2002c80105016104746561":   "4 bytes, but 3 are left",
		"2002c8010501610374656100": "1 bytes after the end",
		"200200ffffffff7f":         "at most 4294967295",
	})
}

func FuzzLWWRegister(f *testing.F) {
	f.Add([]byte("\x20\x02\xc8\x01\x05\x01a\x03tea"), []byte("\x20\x02\xc8\x01\x05\x01a\x04eggs"))
	f.Add([]byte("\x20\x01\x01\x00\x01a"), []byte("\x20\x00"))
	f.Fuzz(func(t *testing.T, a, b []byte) { anyForms(t, newText, a, b) })
}

func BenchmarkSet(b *testing.B) {
	for _, n := range []int{16, 4096} {
		b.Run(fmt.Sprintf("impl=plinth/n=%d", n), func(b *testing.B) {
			r, v := newText(), string(make([]byte, n))
			stamp := vclock.Timestamp{}
			b.ReportAllocs()
			for b.Loop() {
				stamp.Wall++
				if _, err := r.Set(stamp, "a", v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
