package crdt

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

func vectorOf(t testing.TB, counts map[vclock.ID]uint64) vclock.Vector {
	t.Helper()
	v, err := vclock.VectorOf(counts)
	require.NoError(t, err)
	return v
}

// TestMembersClaims: a member that claims to have seen what will be, or what nobody has done, is believed as far as this
// replica has seen it too. So nothing leaves the log before it has been seen, and made up names take no memory. Planted and
// caught: a summary that is taken down as it is.
func TestMembersClaims(t *testing.T) {
	a := counterReplica(t, "a", ReplicaConfig{Members: []vclock.ID{"b"}})
	x, b := counterReplica(t, "x", ReplicaConfig{}), counterReplica(t, "b.1", ReplicaConfig{})
	_, err := a.Delta(summary{"b.1", vectorOf(t, map[vclock.ID]uint64{"x": 100})}.bytes())
	require.NoError(t, err)
	require.Zero(t, a.Stats().Stable.Len(), "of x nothing has come here")
	add(t, x, 1)
	pull(t, a, x)
	pull(t, b, a)
	require.Equal(t, 1, a.Stats().Deltas, "b has not said so since")
	pull(t, b, a)
	require.Zero(t, a.Stats().Deltas)
	require.EqualValues(t, 1, a.Stats().Stable.Get("x"))

	for i := range 100 {
		_, err := a.Delta(summary{"b.1", vectorOf(t, map[vclock.ID]uint64{vclock.ID(fmt.Sprint(i)): 1})}.bytes())
		require.NoError(t, err)
	}
	row, is := a.members.Get("b")
	require.True(t, is)
	require.Equal(t, 1, row.Len())
}

// TestMembersStrangers: who is no member is answered, and holds nothing back. Planted and caught: a stranger that
// becomes a member.
func TestMembersStrangers(t *testing.T) {
	a := counterReplica(t, "a", ReplicaConfig{Members: []vclock.ID{"b"}})
	b, stranger := counterReplica(t, "b.7", ReplicaConfig{}), counterReplica(t, "stranger.1", ReplicaConfig{})
	add(t, a, 1)
	pull(t, stranger, a)
	require.EqualValues(t, 1, value(stranger))
	require.Equal(t, []vclock.ID{"b"}, a.Stats().Behind)
	pull(t, b, a)
	pull(t, b, a)
	require.Zero(t, a.Stats().Deltas)
	add(t, a, 1)
	pull(t, b, a)
	pull(t, b, a)
	require.Zero(t, a.Stats().Deltas, "the stranger does not know yet")
	require.Equal(t, whatFull, pull(t, stranger, a).what)
	require.EqualValues(t, 2, value(stranger))
}

// TestMembersFromAnOldCopy: a member comes back with less than it had. What it lacks has left the logs of the others, and it
// gets it all the same, and so does who joins late.
func TestMembersFromAnOldCopy(t *testing.T) {
	members := ReplicaConfig{Members: []vclock.ID{"a", "b"}}
	a, b := counterReplica(t, "a.1", members), counterReplica(t, "b.1", members)
	add(t, a, 1)
	pull(t, b, a)
	old, err := b.AppendBinary(nil)
	require.NoError(t, err)
	add(t, a, 2)
	add(t, b, 4)
	pull(t, b, a)
	pull(t, a, b)
	pull(t, b, a)
	require.Zero(t, a.Stats().Deltas, "b has said that it has all")
	require.EqualValues(t, 2, a.Stats().Stable.Get("a.1"))

	again := counterReplica(t, "b.2", members)
	require.NoError(t, again.Receive(old))
	require.EqualValues(t, 1, value(again))
	require.Equal(t, whatFull, pull(t, again, a).what)
	require.EqualValues(t, 7, value(again))
	require.EqualValues(t, 2, a.Stats().Stable.Get("a.1"), "the cut never goes back")

	late := counterReplica(t, "c.1", members)
	require.NoError(t, a.Join("c"))
	require.Equal(t, whatFull, pull(t, late, a).what)
	add(t, late, 8)
	pull(t, a, late)
	require.EqualValues(t, 15, value(a))
	require.NoError(t, late.Join("c"), "it is one already, and needs no row")
	require.ErrorIs(t, late.Join(""), vclock.ErrID)
}

// TestMembersLate: what is still in the log when somebody joins is kept for him, too. Planted and caught: one who joins and
// is believed to have all.
func TestMembersLate(t *testing.T) {
	a, b := counterReplica(t, "a.1", ReplicaConfig{Members: []vclock.ID{"b"}}), counterReplica(t, "b.1", ReplicaConfig{})
	late := counterReplica(t, "c.1", ReplicaConfig{})
	add(t, a, 1)
	add(t, a, 2)
	require.NoError(t, a.Join("c"))
	pull(t, b, a)
	pull(t, b, a)
	require.Equal(t, 2, a.Stats().Deltas)
	require.Equal(t, []vclock.ID{"c"}, a.Stats().Behind)
	require.Equal(t, whatDeltas, pull(t, late, a).what)
	pull(t, late, a)
	require.Zero(t, a.Stats().Deltas)
	require.EqualValues(t, 3, value(late))
}

// BenchmarkReplicaDeltaMember answers a member that has nothing to say and lacks one change, while another one holds back a
// long log.
func BenchmarkReplicaDeltaMember(b *testing.B) {
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprintf("impl=plinth/n=%d", n), func(b *testing.B) {
			r := counterReplica(b, "a", ReplicaConfig{Members: []vclock.ID{"b", "c"}})
			for range n {
				add(b, r, 1)
			}
			asks := summary{"b.1", r.Stats().Seen}.bytes()
			add(b, r, 1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Delta(asks); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestStableIsForTheLog: what all members have seen need not be sent again, but it is not what RWSet.Forget asks for. A member
// may have done something before it saw a removal, which has not come here; and a vector of changes says nothing of the dots
// in a value. Both bring back what was removed.
func TestStableIsForTheLog(t *testing.T) {
	type set = RWSet[string]
	start := func(id vclock.ID) *Replica[*set] {
		r, err := NewReplica(id, func() *set { return new(set) }, ReplicaConfig{Members: []vclock.ID{"a", "b"}})
		require.NoError(t, err)
		return r
	}
	do := func(r *Replica[*set], f func(id vclock.ID, s *set) (*set, error)) { require.NoError(t, r.Do(f)) }
	add := func(id vclock.ID, s *set) (*set, error) { return s.Add(id, "eve") }
	remove := func(id vclock.ID, s *set) (*set, error) { return s.Remove(id, "eve") }
	has := func(r *Replica[*set]) (is bool) {
		r.View(func(s *set) { is = s.Has("eve") })
		return is
	}
	for _, forgets := range []bool{false, true} {
		a, b := start("a.1"), start("b.1")
		do(a, remove)
		do(b, add) // beside the removal, which wins
		pull(t, b, a)
		_, err := a.Delta(b.Summary())
		require.NoError(t, err)
		stable := a.Stats().Stable
		require.Equal(t, a.Stats().Seen, stable, "b has seen the removal")
		if forgets {
			do(a, func(_ vclock.ID, s *set) (*set, error) { return s.Forget(stable), nil })
		}
		pull(t, a, b)
		pull(t, b, a)
		require.Equal(t, forgets, has(a))
		require.Equal(t, forgets, has(b))
	}

	a := start("a.1")
	do(a, remove)
	do(a, func(id vclock.ID, s *set) (*set, error) {
		return s.Forget(vectorOf(t, map[vclock.ID]uint64{id: 1})), nil
	})
	do(a, remove)
	require.EqualValues(t, 3, a.Stats().Seen.Get("a.1"))
	a.View(func(s *set) {
		require.Equal(t, 1, s.Removed())
		again := s.Clone()
		again.Forget(vectorOf(t, map[vclock.ID]uint64{"a.1": 2})) // as if the first two changes were stable
		require.Zero(t, again.Removed(), "it was the third change, and has the second dot of the value")
	})
}
