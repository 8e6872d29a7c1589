package crdt

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// replicaWorld is a network of replicas, some of which crash, and come back with what they had kept.
type replicaWorld[T state[T]] struct {
	t       *testing.T
	r       *rand.Rand
	s       cargo[T]
	config  ReplicaConfig
	all     deeds
	epoch   uint64
	nodes   []*Replica[T]
	kept    [][]byte // what each has on disk
	way     []replicaMessage
	crashed bool
	whats   map[what]int
}

type replicaMessage struct {
	from, to int
	summary  bool
	body     []byte
}

func newReplicaWorld[T state[T]](t *testing.T, r *rand.Rand, s cargo[T], c ReplicaConfig, n int) *replicaWorld[T] {
	w := &replicaWorld[T]{t: t, r: r, s: s, config: c, all: deeds{}, whats: map[what]int{}}
	for i := range n {
		w.nodes, w.kept = append(w.nodes, nil), append(w.kept, nil)
		w.start(i)
	}
	return w
}

func nodeName(i int) vclock.ID { return vclock.ID(rune('a' + i)) }

// start begins a node with what it has on disk.
func (w *replicaWorld[T]) start(i int) {
	w.epoch++
	id, err := NewID(nodeName(i), w.epoch)
	require.NoError(w.t, err)
	w.nodes[i], err = NewReplica(id, w.s.zero, w.config)
	require.NoError(w.t, err)
	require.NoError(w.t, w.nodes[i].Receive(w.kept[i]))
}

// look checks that a node shows what follows from what it has seen, and no more.
func (w *replicaWorld[T]) look(n *Replica[T]) {
	seen := n.Stats().Seen
	n.View(func(v T) {
		require.Equal(w.t, w.s.want(w.all, seen), v.String(), "%v, which has seen %v", n.ID(), seen)
	})
	bytes := 0
	stable := n.Stats().Stable
	require.True(w.t, seen.Descends(stable))
	for _, e := range n.log.entries {
		require.True(w.t, seen.Contains(e.dot))
		require.False(w.t, stable.Contains(e.dot), "nobody needs it")
		bytes += e.cost()
	}
	require.Equal(w.t, bytes, n.log.bytes)
	require.LessOrEqual(w.t, bytes, n.log.limit)
}

func (w *replicaWorld[T]) change(i int) {
	n := w.nodes[i]
	before := n.Stats().Seen
	var done deed
	require.NoError(w.t, n.Do(func(id vclock.ID, v T) (delta T, err error) {
		delta, done = w.s.change(w.t, w.r, id, v)
		return delta, nil
	}))
	done.seen = before
	if after := n.Stats().Seen; after.Compare(before) == vclock.After {
		w.all[vclock.Dot{ID: n.ID(), N: after.Get(n.ID())}] = done
	}
}

func (w *replicaWorld[T]) step(crashes bool) {
	i, j := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes))
	switch w.r.IntN(12) {
	case 0, 1, 2:
		w.change(i)
	case 3, 4:
		if i != j {
			w.way = append(w.way, replicaMessage{i, j, true, w.nodes[i].Summary()})
		}
	case 5:
		if kept, err := w.nodes[i].AppendBinary(nil); w.r.IntN(3) == 0 {
			require.NoError(w.t, err)
			w.kept[i] = kept
		}
	case 6:
		if crashes {
			w.start(i)
			w.crashed = true
		}
	default:
		if len(w.way) > 0 {
			if m := take(w.r, &w.way); w.r.IntN(4) > 0 { // or it is lost
				w.deliver(m)
			}
		}
	}
	w.look(w.nodes[i])
}

func (w *replicaWorld[T]) deliver(m replicaMessage) {
	n := w.nodes[m.to]
	if m.summary {
		delta, err := n.Delta(m.body)
		require.NoError(w.t, err)
		if delta != nil {
			w.way = append(w.way, replicaMessage{m.to, m.from, false, delta})
			u, err := parseUpdate(delta)
			require.NoError(w.t, err)
			w.whats[u.what]++
		}
		return
	}
	before := n.Stats().Seen
	err := n.Receive(m.body)
	if err != nil {
		require.ErrorIs(w.t, err, ErrMissing)
		require.True(w.t, w.crashed, "nobody has gone back")
		require.Equal(w.t, before, n.Stats().Seen)
	}
	w.look(n)
}

// settle asks and answers until nobody lacks anything.
func (w *replicaWorld[T]) settle() {
	w.way = nil
	for again := true; again; {
		again = false
		for i, n := range w.nodes {
			for j, peer := range w.nodes {
				if i == j {
					continue
				}
				delta, err := peer.Delta(n.Summary())
				require.NoError(w.t, err)
				again = again || delta != nil
				w.deliver(replicaMessage{j, i, false, delta})
			}
		}
	}
	first, err := w.nodes[0].AppendBinary(nil)
	require.NoError(w.t, err)
	for _, n := range w.nodes {
		b, err := n.AppendBinary(nil)
		require.NoError(w.t, err)
		require.Equal(w.t, first, b)
	}
}

// TestReplicaNetwork: whatever is lost, comes twice, late, or from before a crash, a replica shows at any time
// what follows from what it has seen, which is known apart from it; and all agree in the end. Planted and caught: a
// delta that is entered and not merged; a part that is not the first; a log that is believed to be whole, or handed on
// from its end; no check of what is missing; a member's epoch that counts as another member.
func TestReplicaNetwork(t *testing.T) {
	t.Run("GCounter", func(t *testing.T) { replicaNetwork(t, counterCargo()) })
	t.Run("ORSet", func(t *testing.T) { replicaNetwork(t, setCargo()) })
}

func replicaNetwork[T state[T]](t *testing.T, s cargo[T]) {
	r := seed.New(t)
	whats := map[what]int{}
	for i := range 40 {
		c := ReplicaConfig{LogBytes: 200 + r.IntN(3000), UpdateBytes: 1 + r.IntN(50)}
		if i%2 == 0 {
			c.Members = []vclock.ID{"a", "b", "c"}
		}
		w := newReplicaWorld(t, r, s, c, 3)
		for range 120 {
			w.step(i%4 > 1)
		}
		w.settle()
		for what, n := range w.whats {
			whats[what] += n
		}
		if c.Members != nil && !w.crashed {
			for _, n := range w.nodes {
				require.Zero(t, n.Stats().Deltas, "all members have seen all")
				require.Equal(t, n.Stats().Seen, n.Stats().Stable)
			}
		}
	}
	require.Len(t, whats, 3, "deltas, parts and full states")
}

func counterReplica(t testing.TB, id vclock.ID, c ReplicaConfig) *Replica[*GCounter] {
	t.Helper()
	r, err := NewReplica(id, func() *GCounter { return new(GCounter) }, c)
	require.NoError(t, err)
	return r
}

func add(t testing.TB, r *Replica[*GCounter], n uint64) {
	t.Helper()
	require.NoError(t, r.Do(func(id vclock.ID, v *GCounter) (*GCounter, error) { return v.Add(id, n) }))
}

func value(r *Replica[*GCounter]) (n uint64) {
	r.View(func(v *GCounter) { n = v.Value() })
	return n
}

// pull asks once, and returns what came.
func pull[T Portable[T]](t testing.TB, to, from *Replica[T]) update {
	t.Helper()
	delta, err := from.Delta(to.Summary())
	require.NoError(t, err)
	require.NoError(t, to.Receive(delta))
	if delta == nil {
		return update{}
	}
	u, err := parseUpdate(delta)
	require.NoError(t, err)
	return u
}

// TestReplicaAway: who is away for long keeps the logs of the others long, up to their bound, and they say who it is. When
// it comes back it gets deltas as long as there are all, and the full state otherwise. Planted and caught: Behind of the
// newest; a Forget that trims nothing; a log without a bound; a trim by what one member knows.
func TestReplicaAway(t *testing.T) {
	for _, n := range []int{3, 100} {
		c := ReplicaConfig{Members: []vclock.ID{"a", "b", "c"}, LogBytes: 1000}
		a, b, away := counterReplica(t, "a", c), counterReplica(t, "b", c), counterReplica(t, "c.1", c)
		require.Empty(t, a.Stats().Behind, "there is nothing to know")
		for range n {
			add(t, a, 1)
			pull(t, b, a)
			pull(t, a, b)
		}
		require.Equal(t, []vclock.ID{"c"}, a.Stats().Behind)
		require.Zero(t, a.Stats().Stable.Len())
		require.LessOrEqual(t, a.Stats().LogBytes, 1000)
		kept := a.Stats().Deltas
		require.Equal(t, min(n, kept), kept)

		u := pull(t, away, a)
		require.Equal(t, n > kept, u.what == whatFull)
		require.EqualValues(t, n, value(away))
		pull(t, away, a)
		pull(t, b, a)
		require.Zero(t, a.Stats().Deltas, "c has told that it has all")
		require.EqualValues(t, n, a.Stats().Stable.Get("a"))

		add(t, a, 1)
		pull(t, b, a)
		pull(t, b, a)
		require.Equal(t, 1, a.Stats().Deltas)
		require.Equal(t, []vclock.ID{"c"}, a.Stats().Behind)
		require.True(t, a.Forget("c"))
		require.False(t, a.Forget("c"))
		require.Zero(t, a.Stats().Deltas, "nobody else waits")
		require.NoError(t, a.Join("c"))
		require.ErrorIs(t, a.Join("c"), vclock.ErrMember)
		require.Equal(t, whatFull, pull(t, away, a).what)
		require.EqualValues(t, n+1, value(away))
	}
}

// TestReplicaMissing: what builds on something that is not there is refused, and says what that is. Planted and caught: no
// look at what is missing; a base with more than what the sender has.
func TestReplicaMissing(t *testing.T) {
	a, b := counterReplica(t, "a", ReplicaConfig{}), counterReplica(t, "b", ReplicaConfig{})
	c := counterReplica(t, "c", ReplicaConfig{})
	add(t, a, 1)
	add(t, a, 2)
	pull(t, b, a)
	add(t, b, 4)
	delta, err := b.Delta(a.Summary())
	require.NoError(t, err)
	err = c.Receive(delta)
	var missing *MissingError
	require.True(t, errors.As(err, &missing))
	require.ErrorIs(t, err, ErrMissing)
	require.Equal(t, []vclock.Span{{ID: "a", From: 1, To: 2}}, missing.Spans)
	require.ErrorContains(t, err, "a:1-2")
	require.Zero(t, value(c))
	require.Zero(t, c.Stats().Seen.Len())
	pull(t, c, b)
	require.NoError(t, c.Receive(delta), "it is old now")
	require.EqualValues(t, 7, value(c))

	add(t, c, 8)
	delta, err = a.Delta(c.Summary())
	require.NoError(t, err)
	require.Nil(t, delta)
	add(t, a, 16)
	delta, err = a.Delta(c.Summary())
	require.NoError(t, err)
	pull(t, b, a)
	require.NoError(t, b.Receive(delta), "that c had more than a does not matter")
	require.Contains(t, (&MissingError{make([]vclock.Span, 10)}).Error(), "and 2 more")
}

// TestReplicaForked: two of one identity are found out where one of them meets what the other one has done. Planted and
// caught: no look at the summary, or at its name; none at what is received; none at what is in the log.
func TestReplicaForked(t *testing.T) {
	a, b := counterReplica(t, "a", ReplicaConfig{}), counterReplica(t, "b", ReplicaConfig{})
	add(t, a, 1)
	kept, err := a.AppendBinary(nil)
	require.NoError(t, err)
	add(t, a, 2)
	pull(t, b, a)

	again := counterReplica(t, "a", ReplicaConfig{})
	require.ErrorIs(t, again.Receive(kept), vclock.ErrForked, "it begins with a state of its own, and not as another one")
	_, err = again.Delta(b.Summary())
	require.ErrorIs(t, err, vclock.ErrForked)
	delta, err := b.Delta(again.Summary())
	require.NoError(t, err)
	require.ErrorIs(t, again.Receive(delta), vclock.ErrForked)
	_, err = again.Delta(a.Summary())
	require.ErrorIs(t, err, vclock.ErrForked, "the same name")
	require.Zero(t, value(again))
	_, err = again.Delta(counterReplica(t, "a", ReplicaConfig{}).Summary())
	require.ErrorIs(t, err, vclock.ErrForked, "the same name, before either has done anything")
	add(t, again, 5)
	delta, err = again.Delta(summary{id: "c"}.bytes())
	require.NoError(t, err)
	require.ErrorIs(t, b.Receive(delta), vclock.ErrForked, "it has another a:1")
	require.EqualValues(t, 3, value(b))

	id, err := NewID("a", 2)
	require.NoError(t, err)
	next := counterReplica(t, id, ReplicaConfig{})
	require.NoError(t, next.Receive(kept))
	add(t, next, 10)
	pull(t, b, next)
	pull(t, next, b)
	require.EqualValues(t, 13, value(b))
	require.EqualValues(t, 13, value(next))
}

// TestReplicaForkedUnseen is what nobody can see: two of one identity that have done equally much are one for all others, who
// believe whom they hear first. One of the two finds out when somebody has seen more of it than it has done.
func TestReplicaForkedUnseen(t *testing.T) {
	a, twin := counterReplica(t, "a", ReplicaConfig{}), counterReplica(t, "a", ReplicaConfig{})
	b := counterReplica(t, "b", ReplicaConfig{})
	add(t, a, 1)
	add(t, twin, 10)
	pull(t, b, a)
	require.Equal(t, update{}, pull(t, b, twin), "b has a:1")
	require.EqualValues(t, 1, value(b), "and the 10 are lost for now")
	add(t, twin, 20)
	require.Equal(t, whatDeltas, pull(t, b, twin).what)
	require.EqualValues(t, 30, value(b), "and the 1 is lost for ever")
	_, err := a.Delta(b.Summary())
	require.ErrorIs(t, err, vclock.ErrForked)
}

// TestReplicaDo: a change that fails, or has two halves of which one fails, or panics, or cannot be written.
// Planted and caught: a failure that drops the delta; an empty delta with a dot; a panic that leaves no dot, or the lock.
func TestReplicaDo(t *testing.T) {
	a, b := counterReplica(t, "a", ReplicaConfig{}), counterReplica(t, "b", ReplicaConfig{})
	err := a.Do(func(id vclock.ID, v *GCounter) (*GCounter, error) { return v.Add(id, vclock.MaxCount+1) })
	require.ErrorIs(t, err, vclock.ErrExhausted)
	add(t, a, 0)
	require.NoError(t, a.Do(func(vclock.ID, *GCounter) (*GCounter, error) { return nil, nil }))
	require.Zero(t, a.Stats().Seen.Len())
	require.Zero(t, a.Stats().Deltas)

	half := errors.New("half")
	require.ErrorIs(t, half, a.Do(func(id vclock.ID, v *GCounter) (*GCounter, error) {
		delta, err := v.Add(id, 1)
		require.NoError(t, err)
		return delta, half
	}))
	require.Equal(t, whatDeltas, pull(t, b, a).what)
	require.EqualValues(t, 1, value(b))

	require.Panics(t, func() {
		_ = a.Do(func(id vclock.ID, v *GCounter) (*GCounter, error) {
			_, _ = v.Add(id, 1)
			panic("in the middle")
		})
	})
	require.Equal(t, whatFull, pull(t, b, a).what)
	require.EqualValues(t, 2, value(b))
	add(t, a, 1)
	require.Equal(t, whatDeltas, pull(t, b, a).what)
	require.EqualValues(t, 3, value(b))

	old := new(GCounter)
	_, err = old.Add("from elsewhere", 4)
	require.NoError(t, err)
	require.NoError(t, a.Do(func(_ vclock.ID, v *GCounter) (*GCounter, error) { v.Merge(old); return old, nil }))
	pull(t, b, a)
	require.EqualValues(t, 7, value(b))

	mute, err := NewReplica("m", func() *mute { return new(mute) }, ReplicaConfig{})
	require.NoError(t, err)
	require.ErrorIs(t, mute.Do(doMute), errMute)
	require.EqualValues(t, 1, mute.Stats().Seen.Get("m"))
	_, err = mute.Delta(a.Summary())
	require.ErrorIs(t, err, errMute)
	_, err = mute.AppendBinary(nil)
	require.ErrorIs(t, err, errMute)
}

// mute is a counter that cannot be written.
type mute struct{ GCounter }

var errMute = errors.New("mute")

func doMute(id vclock.ID, v *mute) (*mute, error) {
	delta, err := v.Add(id, 1)
	return &mute{*delta}, err
}

func (m *mute) Merge(other *mute) bool                       { return m.GCounter.Merge(&other.GCounter) }
func (m *mute) Compare(other *mute) vclock.Ordering          { return m.GCounter.Compare(&other.GCounter) }
func (m *mute) Clone() *mute                                 { return &mute{*m.GCounter.Clone()} }
func (m *mute) AppendBinary(b []byte) (none []byte, _ error) { return nil, errMute }

// curious is a counter that looks up while it is written.
type curious struct {
	GCounter
	look *func()
}

func (c *curious) Merge(other *curious) bool              { return c.GCounter.Merge(&other.GCounter) }
func (c *curious) Compare(other *curious) vclock.Ordering { return c.GCounter.Compare(&other.GCounter) }
func (c *curious) Clone() *curious                        { return &curious{*c.GCounter.Clone(), c.look} }
func (c *curious) AppendBinary(b []byte) ([]byte, error) {
	if *c.look != nil {
		(*c.look)()
	}
	return c.GCounter.AppendBinary(b)
}

// TestReplicaFullAside: while a full state is written, which takes long, others can read. Planted and caught: Delta that
// writes it under its own lock.
func TestReplicaFullAside(t *testing.T) {
	var look func()
	r, err := NewReplica("a", func() *curious { return &curious{look: &look} }, ReplicaConfig{LogBytes: 1})
	require.NoError(t, err)
	require.NoError(t, r.Do(func(id vclock.ID, v *curious) (*curious, error) {
		delta, err := v.Add(id, 1)
		return &curious{*delta, &look}, err
	}))
	looked := 0
	look = func() {
		require.True(t, r.mu.TryRLock(), "nobody can read")
		r.mu.RUnlock()
		looked++
	}
	delta, err := r.Delta(summary{id: "b"}.bytes())
	require.NoError(t, err)
	u, err := parseUpdate(delta)
	require.NoError(t, err)
	require.Equal(t, whatFull, u.what)
	require.Equal(t, 1, looked)
}

// TestReplicaCopies: what has come may be overwritten, and what is claimed takes no memory. Planted and caught: a log with
// the bytes of others; room for as many deltas as somebody claims.
func TestReplicaCopies(t *testing.T) {
	a, b := counterReplica(t, "a", ReplicaConfig{}), counterReplica(t, "b", ReplicaConfig{})
	c := counterReplica(t, "c", ReplicaConfig{})
	add(t, a, 1)
	delta, err := a.Delta(b.Summary())
	require.NoError(t, err)
	require.NoError(t, b.Receive(delta))
	clear(delta)
	require.Equal(t, whatDeltas, pull(t, c, b).what)
	require.EqualValues(t, 1, value(c))

	liar := update{what: whatFull, state: []byte{kindGCounter.form(), 0}}
	_, err = liar.base.Advance("x", vclock.MaxCount)
	require.NoError(t, err)
	require.NoError(t, b.Receive(liar.bytes()))
	require.Equal(t, whatFull, pull(t, c, b).what)
}

// TestReplicaMemory: what Receive needs is in proportion to what it gets. Deltas of nothing are the worst there is: each of
// four bytes becomes an entry and a value.
func TestReplicaMemory(t *testing.T) {
	worst := update{what: whatDeltas}
	for i := range 50_000 {
		e := entry{vclock.Dot{ID: "b", N: uint64(i + 1)}, []byte{kindGCounter.form(), 0}}
		worst.entries = append(worst.entries, e)
	}
	whole := worst.bytes()
	for _, b := range [][]byte{whole, whole[:len(whole)-1], append(whole, 0)} {
		r := counterReplica(t, "a", ReplicaConfig{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = r.Receive(b)
		runtime.ReadMemStats(&after)
		perByte := (after.TotalAlloc - before.TotalAlloc) / uint64(len(b))
		t.Logf("%d bytes for each", perByte)
		require.Less(t, perByte, uint64(200))
	}
}

// TestReplicaLogForgets: what has left the log is not kept by the list behind it. Planted and caught: a push, or a trim, that
// clears nothing.
func TestReplicaLogForgets(t *testing.T) {
	l := deltaLog{limit: 110, entries: make([]entry, 0, 8)}
	all := l.entries[:3]
	for n := range uint64(3) {
		l.push(entry{vclock.Dot{ID: "a", N: n + 1}, []byte("delta")})
	}
	require.Len(t, l.entries, 2)
	require.Zero(t, all[0])
	l.trim(vectorOf(t, map[vclock.ID]uint64{"a": 3}))
	require.Empty(t, l.entries)
	require.Equal(t, make([]entry, 3), all)
}

// TestReplicaParts: what is long comes in parts, each of which can be taken in alone, and a new summary goes on from there.
// Planted and caught: more that is promised with the last of them.
func TestReplicaParts(t *testing.T) {
	for _, n := range []uint64{7, 8} {
		a, b := counterReplica(t, "a", ReplicaConfig{UpdateBytes: 10}), counterReplica(t, "b", ReplicaConfig{})
		for range n {
			add(t, a, 1) // 5 bytes each: two of them are a part
		}
		for i, want := range []uint64{2, 4, 6, n, n} {
			delta, err := a.Delta(b.Summary())
			require.NoError(t, err)
			require.Equal(t, i < 3, a.More(delta))
			require.NoError(t, b.Receive(delta))
			require.EqualValues(t, want, value(b))
		}
	}
}

// TestReplicaSince: a file to which is appended what has come since the last time has all, also if a part has left
// the log meanwhile; and the one who reads it is another replica. Planted and caught: a Since that returns a part, or builds on what nobody has.
func TestReplicaSince(t *testing.T) {
	for _, c := range []ReplicaConfig{{}, {UpdateBytes: 1}, {LogBytes: 200}, {Members: []vclock.ID{"b"}}} {
		a, b := counterReplica(t, "a.1", c), counterReplica(t, "b.1", ReplicaConfig{})
		var file [][]byte
		var saved vclock.Vector
		whats := map[what]int{}
		for i := range 12 {
			for range i % 5 {
				add(t, a, 1)
			}
			if i == 6 {
				add(t, b, 100)
				pull(t, b, a)
				pull(t, a, b)
				pull(t, b, a) // if b is a member, nothing is left in the log of a
			}
			now := a.Stats().Seen
			part, err := a.Since(saved)
			require.NoError(t, err)
			require.Equal(t, now.Compare(saved) == vclock.Equal, part == nil)
			if saved = now; part != nil {
				u, err := parseUpdate(part)
				require.NoError(t, err)
				whats[u.what]++
				file = append(file, part)
			}
		}
		require.Equal(t, c.Members != nil || c.LogBytes > 0, whats[whatFull] > 0)
		require.Zero(t, whats[whatPart])
		again := counterReplica(t, "a.2", c)
		for _, part := range file {
			require.NoError(t, again.Receive(part))
		}
		require.Equal(t, value(a), value(again))
		require.Equal(t, a.Stats().Seen, again.Stats().Seen)
		ahead := vectorOf(t, map[vclock.ID]uint64{"a.1": 1000, "b.1": 1000})
		none, err := a.Since(ahead)
		require.NoError(t, err)
		require.Nil(t, none)
	}
	a, b := counterReplica(t, "a.1", ReplicaConfig{}), counterReplica(t, "b.1", ReplicaConfig{})
	add(t, a, 1)
	part, err := a.Since(vectorOf(t, map[vclock.ID]uint64{"x": 5}))
	require.NoError(t, err)
	require.NoError(t, b.Receive(part), "of x nobody knows anything, so nothing builds on it")
}

func TestReplicaBadConfig(t *testing.T) {
	zero := func() *GCounter { return new(GCounter) }
	for _, c := range []ReplicaConfig{
		{LogBytes: -1}, {UpdateBytes: -1}, {Members: []vclock.ID{""}}, {Members: []vclock.ID{"b", "b"}},
	} {
		_, err := NewReplica("a", zero, c)
		require.ErrorContains(t, err, "crdt: NewReplica: ", "%v", c)
	}
	_, err := NewReplica(vclock.ID(strings.Repeat("a", vclock.MaxID+1)), zero, ReplicaConfig{})
	require.ErrorIs(t, err, vclock.ErrID)
	require.PanicsWithValue(t, "crdt: NewReplica: a nil function", func() {
		_, _ = NewReplica[*GCounter]("a", nil, ReplicaConfig{})
	})
	one := new(GCounter)
	for _, zero := range []func() *GCounter{func() *GCounter { return nil }, func() *GCounter { return one }} {
		require.PanicsWithValue(t, "crdt: NewReplica: zero must return a new value each time", func() {
			_, _ = NewReplica("a", zero, ReplicaConfig{})
		})
	}
	r := counterReplica(t, "a", ReplicaConfig{})
	require.PanicsWithValue(t, "crdt: Do: a nil function", func() { _ = r.Do(nil) })
	require.PanicsWithValue(t, "crdt: View: a nil function", func() { r.View(nil) })
}

// updateSamples are of all sorts, with the worked examples of update.go.
func updateSamples(t testing.TB) map[string]string {
	seen := func(counts map[vclock.ID]uint64) vclock.Vector {
		v, err := vclock.VectorOf(counts)
		require.NoError(t, err)
		return v
	}
	a1 := seen(map[vclock.ID]uint64{"a": 1})
	return map[string]string{
		"x\x01b\x02\x01a\x01\x01b\x02": string(summary{"b", seen(map[vclock.ID]uint64{"a": 1, "b": 2})}.bytes()),
		"p\x00\x01\x01a\x01\x01\x01a\x01\x00\x01x": string(update{whatDeltas, a1,
			[]entry{{vclock.Dot{ID: "a", N: 2}, []byte("x")}}, nil}.bytes()),
		"p\x02\x01\x01a\x02x": string(update{what: whatFull, base: seen(map[vclock.ID]uint64{"a": 2}), state: []byte("x")}.bytes()),
	}
}

// TestUpdateForm: the worked examples, and what is refused. Planted and caught: each of the checks left out.
func TestUpdateForm(t *testing.T) {
	for want, got := range updateSamples(t) {
		require.Equal(t, fmt.Sprintf("%x", want), fmt.Sprintf("%x", got))
	}
	for _, bad := range []string{
		"p\x03\x00", "p\x00\x00\x00\x00", "p\x00\x00\x01\x01a\x00", "p\x00\x00\x01\x01a\x01\x01\x00",
		"p\x00\x00\x02\x01a\x01b\x01\x00\x00", "p\x00\x00\x01\x01a\x01\x00\x02x", "q\x00\x00\x01\x01a\x01\x00\x01x",
		"p\x00\x01\x01a\x80\x80\x80\x80\x80\x80\x80\x80\x40\x01\x01a\x01\x00\x01x",
	} {
		_, err := parseUpdate([]byte(bad))
		require.ErrorIs(t, err, ErrCorrupt, "%x", bad)
	}
}

// FuzzReplica: whatever comes, nothing panics, what is refused changes nothing, what is accepted is in its one form, and two
// that have taken in the same, in another order, are equal.
func FuzzReplica(f *testing.F) {
	for _, b := range updateSamples(f) {
		f.Add([]byte(b))
	}
	a := counterReplica(f, "a", ReplicaConfig{})
	for range 3 {
		add(f, a, 1)
	}
	for _, s := range []summary{{id: "c"}, {id: "c", seen: a.Stats().Seen}} {
		f.Add(s.bytes())
		delta, err := a.Delta(s.bytes())
		require.NoError(f, err)
		f.Add(delta)
	}
	full, err := a.AppendBinary(nil)
	require.NoError(f, err)
	f.Add(full)
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseSummary(b); err == nil {
			require.Equal(t, b, s.bytes())
		}
		u, parsed := parseUpdate(b)
		if parsed == nil {
			require.Equal(t, b, u.bytes())
		}
		r := counterReplica(t, "b", ReplicaConfig{LogBytes: 500, Members: []vclock.ID{"c"}})
		add(t, r, 1)
		before, err := r.AppendBinary(nil)
		require.NoError(t, err)
		if _, err := r.Delta(b); err != nil && !errors.Is(err, vclock.ErrForked) {
			require.ErrorIs(t, err, ErrCorrupt)
		}
		err = r.Receive(b)
		after, _ := r.AppendBinary(nil)
		if err != nil {
			require.Equal(t, before, after)
			return
		}
		require.True(t, parsed == nil || len(b) == 0)
		require.NoError(t, r.Receive(b))
		twice, _ := r.AppendBinary(nil)
		require.Equal(t, after, twice)
		other := counterReplica(t, "d", ReplicaConfig{})
		if err := other.Receive(b); err != nil { // it builds on what b has, or claims that d has done something
			require.True(t, errors.Is(err, ErrMissing) || errors.Is(err, vclock.ErrForked), "%v", err)
			return
		}
		require.NoError(t, other.Receive(before))
		otherwise, _ := other.AppendBinary(nil)
		require.Equal(t, after, otherwise)
	})
}

// TestDeltaIsTheStateIfThatIsLess: many changes of a few elements are more than what is left of them. Planted and caught:
// nobody asks; a state of any size; one that is longer than the deltas.
func TestDeltaIsTheStateIfThatIsLess(t *testing.T) {
	zero := func() *ORSet[string] { return new(ORSet[string]) }
	for _, c := range []struct {
		elements, changes, update int
		full                      bool
	}{
		{10, 10, 0, false}, {10, 1000, 0, true}, {10, 1000, 100, false}, {2000, 1000, 0, false}, {2000, 10_000, 0, true},
	} {
		r, err := NewReplica("a.1", zero, ReplicaConfig{UpdateBytes: c.update})
		require.NoError(t, err)
		peer, err := NewReplica("b.1", zero, ReplicaConfig{})
		require.NoError(t, err)
		change := func(i int) {
			require.NoError(t, r.Do(func(id vclock.ID, s *ORSet[string]) (*ORSet[string], error) {
				return s.Add(id, fmt.Sprintf("element-%04d", i%c.elements))
			}))
		}
		for i := range c.elements {
			change(i)
		}
		state, err := r.AppendBinary(nil)
		require.NoError(t, err)
		require.NoError(t, peer.Receive(state))
		for i := range c.changes {
			change(i)
		}
		rounds := 0
		for more := true; more; rounds++ {
			r.untilAsk.Store(0) // nobody knows how long it is
			delta, err := r.Delta(peer.Summary())
			require.NoError(t, err)
			u, err := parseUpdate(delta)
			require.NoError(t, err)
			require.Equal(t, c.full, u.what == whatFull, "%+v", c)
			require.NoError(t, peer.Receive(delta))
			more = r.More(delta)
		}
		require.Equal(t, c.update > 0, rounds > 1, "%+v", c)
		r.View(func(ours *ORSet[string]) {
			peer.View(func(theirs *ORSet[string]) { require.Equal(t, vclock.Equal, ours.Compare(theirs)) })
		})
	}
}

// TestDeltaAsksSeldom how long the state is: when as many bytes of deltas have gone out as it had. Planted and caught: nobody
// notes how long it was; nobody counts what goes out.
func TestDeltaAsksSeldom(t *testing.T) {
	writes := 0
	zero := func() *countedSet { return &countedSet{writes: &writes} }
	r, err := NewReplica("a.1", zero, ReplicaConfig{})
	require.NoError(t, err)
	for i := range 1000 {
		require.NoError(t, r.Do(func(id vclock.ID, s *countedSet) (*countedSet, error) {
			delta, err := s.ORSet.Add(id, fmt.Sprintf("element-%04d", i))
			return &countedSet{*delta, s.writes}, err
		}))
	}
	first := writes
	for range 3 {
		_, err := r.Delta(summary{"b.1", vclock.Vector{}}.bytes())
		require.NoError(t, err)
	}
	require.Equal(t, first+3, writes, "the state of 1,000 elements is less than their deltas")
	seen, err := vclock.VectorOf(map[vclock.ID]uint64{"a.1": 500})
	require.NoError(t, err)
	for range 3 {
		_, err := r.Delta(summary{"b.1", seen}.bytes())
		require.NoError(t, err)
	}
	require.Equal(t, first+4, writes, "half of the deltas are less, and when they went out twice they are more")
}

// TestDeltaOfWhatHasShrunk: the state was large when it was written last, and is small now. After a while that is found out.
func TestDeltaOfWhatHasShrunk(t *testing.T) {
	r, err := NewReplica("a.1", func() *ORSet[string] { return new(ORSet[string]) }, ReplicaConfig{})
	require.NoError(t, err)
	for i := range 3000 {
		require.NoError(t, r.Do(func(id vclock.ID, s *ORSet[string]) (*ORSet[string], error) {
			return s.Add(id, fmt.Sprintf("element-%04d", i))
		}))
	}
	state, err := r.AppendBinary(nil)
	require.NoError(t, err)
	for i := range 3000 {
		require.NoError(t, r.Do(func(_ vclock.ID, s *ORSet[string]) (*ORSet[string], error) {
			return s.Remove(fmt.Sprintf("element-%04d", i)), nil
		}))
	}
	seen, err := vclock.VectorOf(map[vclock.ID]uint64{"a.1": 3000})
	require.NoError(t, err)
	sent := 0
	for full := false; !full; {
		delta, err := r.Delta(summary{"b.1", seen}.bytes())
		require.NoError(t, err)
		u, err := parseUpdate(delta)
		require.NoError(t, err)
		full = u.what == whatFull
		sent += len(delta)
		require.Less(t, sent, 2*len(state))
	}
}

// countedSet counts how often it is written down.
type countedSet struct {
	ORSet[string]
	writes *int
}

func (s *countedSet) Merge(o *countedSet) bool              { return s.ORSet.Merge(&o.ORSet) }
func (s *countedSet) Compare(o *countedSet) vclock.Ordering { return s.ORSet.Compare(&o.ORSet) }
func (s *countedSet) Clone() *countedSet                    { return &countedSet{*s.ORSet.Clone(), s.writes} }
func (s *countedSet) AppendBinary(b []byte) ([]byte, error) {
	*s.writes++
	return s.ORSet.AppendBinary(b)
}
