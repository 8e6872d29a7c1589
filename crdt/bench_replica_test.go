package crdt

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// BenchmarkReplicaDo shows what the lock, the dot and the log cost beside the change itself.
func BenchmarkReplicaDo(b *testing.B) {
	b.Run("impl=bare", func(b *testing.B) {
		var c GCounter
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.Add("a", 1)
		}
	})
	b.Run("impl=replica", func(b *testing.B) {
		r := counterReplica(b, "a", ReplicaConfig{})
		count := func(id vclock.ID, v *GCounter) (*GCounter, error) { return v.Add(id, 1) }
		b.ReportAllocs()
		for b.Loop() {
			_ = r.Do(count)
		}
	})
}

// setReplica returns a replica with a set of n elements, all of which are in the log.
func setReplica(t testing.TB, id vclock.ID, n int) *Replica[*ORSet[int]] {
	r, err := NewReplica(id, func() *ORSet[int] { return new(ORSet[int]) }, ReplicaConfig{})
	require.NoError(t, err)
	for e := range n {
		addToSet(t, r, e)
	}
	return r
}

func addToSet(t testing.TB, r *Replica[*ORSet[int]], e int) {
	require.NoError(t, r.Do(func(id vclock.ID, v *ORSet[int]) (*ORSet[int], error) { return v.Add(id, e) }))
}

// BenchmarkReplicaDelta answers a peer that lacks the last change of many, with the log and without.
func BenchmarkReplicaDelta(b *testing.B) {
	for _, n := range []int{100, 10000} {
		for _, impl := range []string{"deltas", "full"} {
			b.Run(fmt.Sprintf("impl=%s/n=%d", impl, n), func(b *testing.B) {
				r := setReplica(b, "a", n)
				asks, size := summary{"b", r.Stats().Seen}.bytes(), 0
				addToSet(b, r, n)
				if impl == "full" {
					r.log.entries = nil
				}
				b.ReportAllocs()
				for b.Loop() {
					delta, err := r.Delta(asks)
					if err != nil {
						b.Fatal(err)
					}
					size = len(delta)
				}
				b.ReportMetric(float64(size), "bytes")
			})
		}
	}
}

// TestUpdateSize: an update names all identities that there have ever been, as a summary does; the change itself takes some ten
// bytes of it.
func TestUpdateSize(t *testing.T) {
	for _, want := range []struct{ identities, summary, update int }{{1, 15, 27}, {10, 57, 69}, {100, 515, 527}} {
		r := counterReplica(t, "me.1", ReplicaConfig{})
		for i := range want.identities {
			one := counterReplica(t, vclock.ID(fmt.Sprintf("device-%d.%d", i, 1+i%7)), ReplicaConfig{})
			for range 1 + i*37%1000 {
				add(t, one, 1)
			}
			pull(t, r, one)
		}
		asks := summary{"me.2", r.Stats().Seen}.bytes()
		add(t, r, 1)
		delta, err := r.Delta(asks)
		require.NoError(t, err)
		require.Equal(t, []int{want.summary, want.update}, []int{len(asks), len(delta)}, "%d identities", want.identities)
	}
}

// TestDeltaSize: what goes out for one change does not depend on how much there is.
func TestDeltaSize(t *testing.T) {
	for _, n := range []int{0, 10, 5000} {
		r := setReplica(t, "a", n)
		before := summary{"b", r.Stats().Seen}
		addToSet(t, r, n)
		delta, err := r.Delta(before.bytes())
		require.NoError(t, err)
		require.Less(t, len(delta), 32)
	}
}
