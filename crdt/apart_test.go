package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// apart lets three replicas change and merge in one memory, and looks in the end whether all deltas, copies and states
// that were read are as they were.
func (s subject[T]) apart(t *testing.T) {
	r := seed.New(t)
	ids := []vclock.ID{"a", "b", "c"}
	type kept struct {
		state T
		bytes string
	}
	for range times(10, 40, 100) {
		at, all := []T{s.zero(), s.zero(), s.zero()}, []kept{}
		keep := func(state T) { all = append(all, kept{state, bytesOf(t, state)}) }
		for range 60 {
			i := r.IntN(3)
			switch r.IntN(8) {
			case 0:
				if len(all) > 0 {
					at[i].Merge(all[r.IntN(len(all))].state)
				}
			case 1:
				keep(at[i])
				at[i] = at[i].Clone()
			case 2:
				b := []byte(bytesOf(t, at[i]))
				read := s.zero()
				require.NoError(t, read.UnmarshalBinary(b))
				keep(read)
				clear(b)
			default:
				if delta, err := s.do(at[i], ids[i], s.some(r, ids)); err == nil {
					keep(delta)
				}
			}
		}
		for _, k := range all {
			require.Equal(t, k.bytes, bytesOf(t, k.state), "%v", k.state)
		}
	}
}

// TestNothingIsShared: whatever is done to a state, those that it was merged, copied or read from stay as they are, and so
// do its deltas. Planted and caught: a Clone that shares the map, the values or the context; a delta whose context is
// that of the state.
func TestNothingIsShared(t *testing.T) { eachSubject(t, anySubject.apart) }
