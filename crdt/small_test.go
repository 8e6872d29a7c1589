package crdt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// small plays all small histories of a type: three replicas, up to four operations, and before each of them any of the
// deltas of others, in and out of order. All subsets of the deltas of a history are merged, and beside each state
// is a model that knows of no dots and no contexts, but of operations and of what each has seen:
//
//	an operation undoes those before it that it touches and finds alive
//	alive is what brings something, and is not undone by an operation that has come here
//
// The short form plays all histories of three operations, and some of four.
type small[T state[T]] struct {
	zero func() T
	ops  []smallOp[T]
	// touches reports whether an operation undoes another that it finds alive; if there is none, it does if what it is
	// on begins with what the other is on.
	touches func(o, before *smallEvent[T]) bool
	// value is what a state says in which these are alive.
	value func(h []smallEvent[T], alive []int) string
}

// smallOp is something that a replica can do.
type smallOp[T any] struct {
	on    string // a path, with a slash behind each part
	what  string
	n     int64
	alive bool // it brings something
	do    func(id vclock.ID, s T) (T, error)
}

// smallEvent is an operation that was done.
type smallEvent[T any] struct {
	smallOp[T]
	replica    int
	saw, undid eventSet
}

// eventSet is a set of events, by their places in the history.
type eventSet uint

func (s eventSet) has(i int) bool { return s>>i&1 == 1 }

func (s eventSet) list() (all []int) {
	for i := range 8 {
		if s.has(i) {
			all = append(all, i)
		}
	}
	return all
}

// smallRun is a history while it is played.
type smallRun[T state[T]] struct {
	small[T]
	r       *rand.Rand
	longest int
	states  int // that were looked at

	events []smallEvent[T]
	at     [3]T
	has    [3]eventSet
	joined []T // of each set of events: the join of their deltas
}

func (s small[T]) check(t *testing.T) {
	t.Helper()
	if s.touches == nil {
		s.touches = func(o, before *smallEvent[T]) bool { return strings.HasPrefix(before.on, o.on) }
	}
	run := &smallRun[T]{small: s, r: seed.New(t), longest: 4, joined: []T{s.zero()}}
	for i := range run.at {
		run.at[i] = s.zero()
	}
	run.grow(t)
	t.Logf("%d states", run.states)
	require.Greater(t, run.states, 500, "it has looked at next to nothing")
}

// grow adds each event that there can be, and goes on from there. Replicas are named in the order in which they do
// something.
func (s *smallRun[T]) grow(t *testing.T) {
	oneOf := 64 // histories of four operations one is played, and in the long form
	if form.Long() {
		oneOf = 4
	}
	n := len(s.events)
	replicas := 1
	for _, e := range s.events {
		replicas = min(max(replicas, e.replica+2), len(s.at))
	}
	for replica := range replicas {
		lacks := (eventSet(1)<<n - 1) &^ s.has[replica]
		for come := lacks; ; come = (come - 1) & lacks {
			for _, op := range s.ops {
				if n < 3 || s.r.IntN(oneOf) == 0 {
					s.do(t, replica, come, op)
				}
			}
			if come == 0 {
				break
			}
		}
	}
}

// do lets a replica get some deltas and do something, and goes on from there.
func (s *smallRun[T]) do(t *testing.T, replica int, come eventSet, op smallOp[T]) {
	n, before, had, joined := len(s.events), s.at[replica], s.has[replica], s.joined
	e := smallEvent[T]{op, replica, had | come, 0}
	for _, i := range s.alive(e.saw) {
		if s.touches(&e, &s.events[i]) {
			e.undid |= 1 << i
		}
	}
	at := before.Clone()
	for _, i := range come.list() {
		at.Merge(joined[1<<i])
	}
	delta, err := op.do(vclock.ID(rune('a'+replica)), at)
	require.NoError(t, err)
	s.at[replica], s.has[replica] = at, e.saw|1<<n
	s.events = append(s.events, e)
	s.joined = slices.Clone(joined)
	for _, rest := range joined {
		s.joined = append(s.joined, s.join(t, delta, rest, eventSet(len(s.joined))))
	}
	for i, state := range s.at {
		both := Join(at, state)
		if want, got := bytesOf(t, s.joined[s.has[i]|s.has[replica]]), bytesOf(t, both); want != got {
			require.Equal(t, want, got, "%v", s)
		}
	}
	if len(s.events) < s.longest {
		s.grow(t)
	}
	s.at[replica], s.has[replica], s.events, s.joined = before, had, s.events[:n], joined
}

// join joins the last delta and a state that has others, both ways, and looks at what comes out.
func (s *smallRun[T]) join(t *testing.T, delta, rest T, events eventSet) T {
	all := Join(rest, delta)
	alive := s.alive(events)
	if want := s.value(s.events, alive); want != all.String() {
		require.Equal(t, want, all.String(), "%v in a state with %v", s, events.list())
	}
	if one, other := bytesOf(t, all), bytesOf(t, Join(delta, rest)); one != other {
		require.Equal(t, one, other, "%v in a state with %v", s, events.list())
	}
	if latest := s.latest(events); s.causal(events) && !slices.Equal(latest, alive) {
		require.Equal(t, latest, alive, "%v in a state with %v", s, events.list())
	}
	s.states++
	return all
}

// alive returns what is alive where these events have come.
func (s *smallRun[T]) alive(events eventSet) (all []int) {
	undone := eventSet(0)
	for _, i := range events.list() {
		undone |= s.events[i].undid
	}
	for _, i := range (events &^ undone).list() {
		if s.events[i].smallOp.alive {
			all = append(all, i)
		}
	}
	return all
}

// latest is alive by the plain rule, for who gets nothing before what it depends on: what nothing has touched that has
// seen it.
func (s *smallRun[T]) latest(events eventSet) (all []int) {
	for _, i := range events.list() {
		alive := s.events[i].smallOp.alive
		for _, j := range events.list() {
			if s.events[j].saw.has(i) && s.touches(&s.events[j], &s.events[i]) {
				alive = false
			}
		}
		if alive {
			all = append(all, i)
		}
	}
	return all
}

// causal reports whether a set of events has all that those in it have seen.
func (s *smallRun[T]) causal(events eventSet) bool {
	for _, i := range events.list() {
		if s.events[i].saw&^events != 0 {
			return false
		}
	}
	return true
}

func (s *smallRun[T]) String() string {
	var b strings.Builder
	for i, e := range s.events {
		fmt.Fprintf(&b, "\n%d: %c sees %v, and does %s%s", i, 'a'+e.replica, e.saw.list(), e.what, e.on)
	}
	return b.String()
}

// changeOf and removeOf are operations.
func changeOf[T any](what, on string, do func(id vclock.ID, s T) (T, error)) smallOp[T] {
	return smallOp[T]{on: on, what: what, alive: true, do: do}
}

func removeOf[T any](what, on string, do func(s T) T) smallOp[T] {
	return smallOp[T]{on: on, what: what, do: func(_ vclock.ID, s T) (T, error) { return do(s), nil }}
}

// listOf is a value that lists the parts of what is alive.
func listOf[T any](h []smallEvent[T], alive []int) string {
	var all []string
	for _, i := range alive {
		all = append(all, strings.TrimSuffix(h[i].on, "/"))
	}
	slices.Sort(all)
	return fmt.Sprint(slices.Compact(all))
}

// votedFor returns what has votes, and whether all of them are for it.
func votedFor[T any](h []smallEvent[T], alive []int) map[string]bool {
	all := map[string]bool{}
	for _, i := range alive {
		on := strings.TrimSuffix(h[i].on, "/")
		before, is := all[on]
		all[on] = h[i].n > 0 && (before || !is)
	}
	return all
}

// TestSmallORSet. Planted and caught in ORSet: an addition that keeps the dots it has seen, a removal whose delta
// says nothing.
func TestSmallORSet(t *testing.T) {
	small[*ORSet[string]]{
		zero: func() *ORSet[string] { return new(ORSet[string]) },
		ops: []smallOp[*ORSet[string]]{
			changeOf("add ", "x/", func(id vclock.ID, s *ORSet[string]) (*ORSet[string], error) { return s.Add(id, "x") }),
			changeOf("add ", "y/", func(id vclock.ID, s *ORSet[string]) (*ORSet[string], error) { return s.Add(id, "y") }),
			removeOf("remove ", "x/", func(s *ORSet[string]) *ORSet[string] { return s.Remove("x") }),
			removeOf("clear ", "", func(s *ORSet[string]) *ORSet[string] { return s.Clear() }),
		},
		value: listOf[*ORSet[string]],
	}.check(t)
}

func TestSmallRWSet(t *testing.T) {
	type rw = *RWSet[string]
	remove := changeOf("remove ", "x/", func(id vclock.ID, s rw) (rw, error) { return s.Remove(id, "x") })
	add := changeOf("add ", "x/", func(id vclock.ID, s rw) (rw, error) { return s.Add(id, "x") })
	other := changeOf("add ", "y/", func(id vclock.ID, s rw) (rw, error) { return s.Add(id, "y") })
	add.n, other.n = 1, 1
	small[rw]{
		zero: func() rw { return new(RWSet[string]) },
		ops:  []smallOp[rw]{add, remove, other},
		value: func(h []smallEvent[rw], alive []int) string {
			var all []string
			for e, is := range votedFor(h, alive) {
				if is {
					all = append(all, e)
				}
			}
			slices.Sort(all)
			return fmt.Sprint(all)
		},
	}.check(t)
}

func TestSmallEWFlag(t *testing.T) {
	small[*EWFlag]{
		zero: func() *EWFlag { return new(EWFlag) },
		ops: []smallOp[*EWFlag]{
			changeOf("enable", "", func(id vclock.ID, f *EWFlag) (*EWFlag, error) { return f.Enable(id) }),
			removeOf("disable", "", func(f *EWFlag) *EWFlag { return f.Disable() }),
		},
		value: func(_ []smallEvent[*EWFlag], alive []int) string { return fmt.Sprint(len(alive) > 0) },
	}.check(t)
}

func TestSmallDWFlag(t *testing.T) {
	enable := changeOf("enable", "", func(id vclock.ID, f *DWFlag) (*DWFlag, error) { return f.Enable(id) })
	enable.n = 1
	small[*DWFlag]{
		zero: func() *DWFlag { return new(DWFlag) },
		ops: []smallOp[*DWFlag]{enable,
			changeOf("disable", "", func(id vclock.ID, f *DWFlag) (*DWFlag, error) { return f.Disable(id) })},
		value: func(h []smallEvent[*DWFlag], alive []int) string { return fmt.Sprint(votedFor(h, alive)[""]) },
	}.check(t)
}

func TestSmallMVRegister(t *testing.T) {
	type reg = *MVRegister[string]
	set := func(v string) smallOp[reg] {
		return changeOf("set "+v, "", func(id vclock.ID, r reg) (reg, error) { return r.Set(id, v) })
	}
	small[reg]{
		zero: newRegister,
		ops: []smallOp[reg]{set("1"), set("2"),
			removeOf("clear", "", func(r reg) reg { return r.Clear() })},
		value: func(h []smallEvent[reg], alive []int) string {
			inOrder := slices.Clone(alive)
			slices.SortFunc(inOrder, func(i, j int) int { return (h[i].replica-h[j].replica)*8 + i - j })
			var all []string
			for _, i := range inOrder {
				all = append(all, strings.TrimPrefix(h[i].what, "set "))
			}
			return fmt.Sprint(all)
		},
	}.check(t)
}

// counted is what a CausalCounter has: of each replica the last number that is alive, and in it that which it has found
// of itself.
func counted[T any](h []smallEvent[T], alive []int) (sum int64) {
	last := map[int]int{}
	for _, i := range alive {
		last[h[i].replica] = i
	}
	for _, i := range last {
		sum += h[i].n
		var own []int
		for _, j := range h[i].undid.list() {
			if h[j].replica == h[i].replica {
				own = append(own, j)
			}
		}
		sum += counted(h, own)
	}
	return sum
}

func addOf(n int64) smallOp[*CausalCounter] {
	op := changeOf("add", "", func(id vclock.ID, c *CausalCounter) (*CausalCounter, error) { return c.Add(id, n) })
	op.n = n
	return op
}

func TestSmallCausalCounter(t *testing.T) {
	small[*CausalCounter]{
		zero: func() *CausalCounter { return new(CausalCounter) },
		ops: []smallOp[*CausalCounter]{addOf(2), addOf(-5),
			removeOf("reset", "", func(c *CausalCounter) *CausalCounter { return c.Reset() })},
		touches: func(o, before *smallEvent[*CausalCounter]) bool {
			return !o.smallOp.alive || o.replica == before.replica
		},
		value: func(h []smallEvent[*CausalCounter], alive []int) string {
			return fmt.Sprint(counted(h, alive))
		},
	}.check(t)
}

// underKey makes an operation on a value one on a map of such values.
func underKey[V Causal[V]](k string, op smallOp[V]) smallOp[*ORMap[string, V]] {
	return smallOp[*ORMap[string, V]]{on: k + "/" + op.on, what: op.what, n: op.n, alive: op.alive,
		do: func(id vclock.ID, m *ORMap[string, V]) (*ORMap[string, V], error) {
			return m.Update(id, k, func(v V) (V, error) { return op.do(id, v) })
		}}
}

func removeKey[V Causal[V]](k string) smallOp[*ORMap[string, V]] {
	return removeOf("remove ", k+"/", func(m *ORMap[string, V]) *ORMap[string, V] { return m.Remove(k) })
}

// keysOf sorts what is alive by the first part of the path, and leaves that away.
func keysOf[T any](h []smallEvent[T], alive []int) (keys []string, under map[string][]int, rest []smallEvent[T]) {
	under = map[string][]int{}
	rest = slices.Clone(h)
	for i := range rest {
		_, rest[i].on, _ = strings.Cut(h[i].on, "/")
	}
	for _, i := range alive {
		k, _, _ := strings.Cut(h[i].on, "/")
		under[k] = append(under[k], i)
	}
	for k := range under {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys, under, rest
}

// mapOf is the value of a map, of which each value is what inner says.
func mapOf[T any](inner func([]smallEvent[T], []int) string) func([]smallEvent[T], []int) string {
	return func(h []smallEvent[T], alive []int) string {
		keys, under, rest := keysOf(h, alive)
		var all []string
		for _, k := range keys {
			all = append(all, k+":"+inner(rest, under[k]))
		}
		return "map[" + strings.Join(all, " ") + "]"
	}
}

// TestSmallORMap. Planted and caught in ORMap: a removal whose delta says nothing, an empty value that stays, a merge that
// leaves out the keys it does not have.
func TestSmallORMap(t *testing.T) {
	type set = *ORSet[string]
	small[*ORMap[string, set]]{
		zero: newSets,
		ops: []smallOp[*ORMap[string, set]]{
			underKey("k", changeOf("add ", "x/", func(id vclock.ID, s set) (set, error) { return s.Add(id, "x") })),
			underKey("k", changeOf("add ", "y/", func(id vclock.ID, s set) (set, error) { return s.Add(id, "y") })),
			underKey("k", removeOf("remove ", "x/", func(s set) set { return s.Remove("x") })),
			removeKey[set]("k"),
		},
		value: mapOf(listOf[*ORMap[string, set]]),
	}.check(t)
}

func TestSmallORMapOfFlags(t *testing.T) {
	enable := changeOf("enable ", "", func(id vclock.ID, f *DWFlag) (*DWFlag, error) { return f.Enable(id) })
	enable.n = 1
	disable := changeOf("disable ", "", func(id vclock.ID, f *DWFlag) (*DWFlag, error) { return f.Disable(id) })
	type flags = *ORMap[string, *DWFlag]
	small[flags]{
		zero: func() flags { return NewORMap[string](func() *DWFlag { return new(DWFlag) }) },
		ops:  []smallOp[flags]{underKey("k", enable), underKey("k", disable), removeKey[*DWFlag]("k"), underKey("l", enable)},
		value: mapOf(func(h []smallEvent[flags], alive []int) string {
			return fmt.Sprint(votedFor(h, alive)[""])
		}),
	}.check(t)
}

func TestSmallORMapOfCounters(t *testing.T) {
	type counters = *ORMap[string, *CausalCounter]
	small[counters]{
		zero: func() counters { return NewORMap[string](func() *CausalCounter { return new(CausalCounter) }) },
		ops: []smallOp[counters]{underKey("k", addOf(2)), underKey("k", addOf(-5)), underKey("l", addOf(1)),
			removeKey[*CausalCounter]("k")},
		touches: func(o, before *smallEvent[counters]) bool {
			return o.on == before.on && (!o.smallOp.alive || o.replica == before.replica)
		},
		value: mapOf(func(h []smallEvent[counters], alive []int) string { return fmt.Sprint(counted(h, alive)) }),
	}.check(t)
}

func TestSmallORMapOfMaps(t *testing.T) {
	type inner = *ORMap[string, *EWFlag]
	type outer = *ORMap[string, inner]
	enable := changeOf("enable ", "", func(id vclock.ID, f *EWFlag) (*EWFlag, error) { return f.Enable(id) })
	small[outer]{
		zero: func() outer {
			return NewORMap[string](func() inner { return NewORMap[string](func() *EWFlag { return new(EWFlag) }) })
		},
		ops: []smallOp[outer]{
			underKey("k", underKey("x", enable)),
			underKey("k", underKey("y", enable)),
			underKey("k", removeKey[*EWFlag]("x")),
			removeKey[inner]("k"),
		},
		value: mapOf(mapOf(func(_ []smallEvent[outer], alive []int) string { return fmt.Sprint(len(alive) > 0) })),
	}.check(t)
}

func newRegister() *MVRegister[string] {
	return NewMVRegister(vclock.Codec[string](vclock.StringCodec{}))
}

func newSets() *ORMap[string, *ORSet[string]] {
	return NewORMap[string](func() *ORSet[string] { return new(ORSet[string]) })
}
