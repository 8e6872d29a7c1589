package crdt_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// title is a register that reads nothing from the future: its clock hears of each write before it is merged.
type title struct {
	crdt.LWWRegister[string]
	clock *vclock.HLC
}

func newTitle(clock *vclock.HLC) *title {
	return &title{*crdt.NewLWWRegister[string](vclock.StringCodec{}), clock}
}

func (t *title) Merge(other *title) bool { return t.LWWRegister.Merge(&other.LWWRegister) }
func (t *title) Compare(other *title) vclock.Ordering {
	return t.LWWRegister.Compare(&other.LWWRegister)
}
func (t *title) Clone() *title { return &title{*t.LWWRegister.Clone(), t.clock} }

func (t *title) UnmarshalBinary(b []byte) error {
	read := newTitle(t.clock)
	if err := read.LWWRegister.UnmarshalBinary(b); err != nil {
		return err
	}
	if at, by := read.Stamp(); by != "" {
		if _, err := t.clock.Update(at); err != nil {
			return fmt.Errorf("%v: %w", by, err)
		}
	}
	*t = *read
	return nil
}

// A value of one's own can refuse what it is to read. Then a Replica takes in nothing of the update.
func ExamplePortable() {
	noon := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	start := func(id vclock.ID, now time.Time) *crdt.Replica[*title] {
		clock, _ := vclock.NewHLC(vclock.HLCConfig{Now: func() time.Time { return now }})
		r, _ := crdt.NewReplica(id, func() *title { return newTitle(clock) }, crdt.ReplicaConfig{})
		return r
	}
	write := func(r *crdt.Replica[*title], text string) error {
		return r.Do(func(id vclock.ID, v *title) (*title, error) {
			now, err := v.clock.Now()
			if err != nil {
				return nil, err
			}
			delta, err := v.Set(now, id, text)
			if err != nil {
				return nil, err
			}
			return &title{*delta, v.clock}, nil
		})
	}
	here, wrong := start("here.1", noon), start("wrong.1", noon.Add(24*time.Hour))
	fmt.Println(write(here, "today"), write(wrong, "from tomorrow"))
	delta, _ := wrong.Delta(here.Summary())
	fmt.Println(errors.Is(here.Receive(delta), vclock.ErrDrift))
	here.View(func(v *title) { fmt.Println(v) })
	// Output:
	// <nil> <nil>
	// true
	// today
}
