package breaker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func mustKeyed[K comparable](t testing.TB, c KeyedConfig[K]) *Keyed[K] {
	t.Helper()
	k, err := NewKeyed(c)
	require.NoError(t, err)
	return k
}

func (k *Keyed[K]) must(t testing.TB, key K) *Breaker {
	t.Helper()
	b, err := k.Get(key)
	require.NoError(t, err)
	return b
}

// known reports whether a key is remembered, without asking for it.
func (k *Keyed[K]) known(key K) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.entries[key] != nil
}

// invariant: the map and the ring have the same entries, and no more than there may be.
func (k *Keyed[K]) invariant(t testing.TB) {
	t.Helper()
	require.LessOrEqual(t, len(k.ring), k.maxKeys)
	require.Len(t, k.entries, len(k.ring))
	for i, e := range k.ring {
		if k.entries[e.key] != e {
			t.Fatalf("the map does not have what is at %d of the ring", i)
		}
	}
}

func TestKeyedConfig(t *testing.T) {
	_, err := NewKeyed(KeyedConfig[string]{MaxKeys: -1})
	require.EqualError(t, err, "breaker: NewKeyed: a MaxKeys of -1: want 1 to 1073741824")
	_, err = NewKeyed(KeyedConfig[string]{ForgetAfter: -time.Second})
	require.EqualError(t, err, "breaker: NewKeyed: a ForgetAfter of -1s: want a positive time")
	k := mustKeyed(t, KeyedConfig[string]{})
	require.Equal(t, 10_000, k.maxKeys)
	require.Same(t, k.must(t, "a"), k.must(t, "a"))
	require.NotSame(t, k.must(t, "a"), k.must(t, "b"))
}

// TestKeyedMake: it may use the Keyed, and the first breaker of a key is that of all. Planted and
// caught: Make under the lock; add does not look again; who was slower does not count as asking.
func TestKeyedMake(t *testing.T) {
	var k *Keyed[string]
	k = mustKeyed(t, KeyedConfig[string]{Make: func(key string) Config {
		if len(key) > 1 {
			_, _ = k.Get(key[1:])
			_, _ = k.Len(), k.Stats()
		}
		return Config{Name: key}
	}})
	require.Equal(t, "abc", k.must(t, "abc").config.Name)
	require.Equal(t, 3, k.Len())
	once := true
	k.make = func(key string) Config { // of somebody else who is faster
		if once {
			once = false
			k.must(t, key)
			return Config{Name: "slow"}
		}
		return Config{Name: "fast"}
	}
	require.Equal(t, "fast", k.must(t, "race").config.Name)
	require.True(t, k.entries["race"].asked.Load(), "who was slower has asked for it, too")
	require.Equal(t, "fast", k.must(t, "race").config.Name)
	k.invariant(t)
}

// TestKeyedHooks: each breaker tells the hook that Make gives it, and before those that come later. Planted and caught: a hook of the configuration that nobody calls.
func TestKeyedHooks(t *testing.T) {
	var told []string
	k := mustKeyed(t, KeyedConfig[string]{Make: func(key string) Config {
		return Config{Name: key, OnStateChange: func(c Change) { told = append(told, fmt.Sprint(c.Name, " ", c.To)) }}
	}})
	k.must(t, "a").OnStateChange(func(Change) { told = append(told, "then") })
	k.must(t, "a").ForceOpen()
	require.NoError(t, k.Run(t.Context(), "b", func(context.Context) error { return nil }))
	k.must(t, "b").Disable()
	require.Equal(t, []string{"a forced-open", "then", "b disabled"}, told)
}

// TestKeyedBadMake: what is wrong with a Config names the key, and leaves nothing behind; nor does a
// panic.
func TestKeyedBadMake(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{Make: func(key string) Config {
		if key == "worse" {
			panic("no such tenant")
		}
		return Config{Probes: -1}
	}})
	_, err := k.Get("bad")
	require.EqualError(t, err, `breaker: Keyed: Make of "bad": breaker: New: -1 Probes: want 1 to 65536`)
	require.PanicsWithValue(t, "no such tenant", func() { _, _ = k.Get("worse") })
	require.Zero(t, k.Len())
	k.invariant(t)
}

// TestDoKey: a call is that of its key's breaker, and is not made if there is none, or if the context
// has ended, which makes no breaker. Planted and caught: no look at the context, at the error of Get; a
// result of a call that was refused; one breaker for all.
func TestDoKey(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{MaxKeys: 2, Make: func(key string) Config {
		if key == "bad" {
			return Config{Probes: -1}
		}
		return Config{Name: key, Trip: ConsecutiveFailures(1), OpenFor: time.Hour}
	}})
	ctx := t.Context()
	answer := func(n int, err error) func(context.Context) (int, error) {
		return func(got context.Context) (int, error) {
			require.Equal(t, ctx, got)
			return n, err
		}
	}
	never := func(context.Context) (int, error) { panic("called") }
	fine := func(context.Context) error { return nil }

	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err := DoKey(ended, k, "new", never)
	require.Equal(t, context.Canceled, err)
	require.Equal(t, context.Canceled, k.Run(ended, "new", func(context.Context) error { panic("called") }))
	require.Zero(t, k.Len())

	got, err := DoKey(ctx, k, "a", answer(3, nil))
	require.NoError(t, err)
	require.Equal(t, 3, got)
	got, err = DoKey(ctx, k, "a", answer(4, errDown))
	require.Equal(t, errDown, err)
	require.Equal(t, 4, got, "what f returned, as Do does")
	got, err = DoKey(ctx, k, "a", never)
	require.EqualError(t, err, `breaker: "a" is open`)
	require.Zero(t, got)
	require.ErrorIs(t, k.Run(ctx, "a", fine), ErrOpen)

	require.NoError(t, k.Run(ctx, "b", fine), "another one is well")
	require.Equal(t, errDown, k.Run(ctx, "b", func(context.Context) error { return errDown }))
	require.Equal(t, Open, k.must(t, "b").State())

	_, err = DoKey(ctx, k, "c", never)
	require.Equal(t, ErrNoRoom, err)
	require.Equal(t, ErrNoRoom, k.Run(ctx, "c", func(context.Context) error { panic("called") }))
	_, err = DoKey(ctx, k, "bad", never)
	require.ErrorContains(t, err, `Make of "bad"`)
	require.PanicsWithValue(t, "breaker: DoKey: a nil function", func() { _, _ = DoKey[string, int](ctx, k, "a", nil) })
	require.PanicsWithValue(t, "breaker: Keyed.Run: a nil function", func() { _ = k.Run(ctx, "a", nil) })
	k.invariant(t)
}

func TestDoKeyAllocatesNothing(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{})
	ctx, f, run := t.Context(), func(context.Context) (int, error) { return 3, nil }, func(context.Context) error { return nil }
	k.must(t, "a")
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = DoKey(ctx, k, "a", f) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = k.Run(ctx, "a", run) }))
	k.must(t, "a").ForceOpen()
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = DoKey(ctx, k, "a", f) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = k.Run(ctx, "a", run) }))
}

// TestKeyedStrangeKeys: NaN would take room that nobody could find again, and what cannot be compared
// must not leave the lock behind. Planted and caught: no look at whether a key equals itself.
func TestKeyedStrangeKeys(t *testing.T) {
	floats := mustKeyed(t, KeyedConfig[float64]{})
	_, err := floats.Get(math.NaN())
	require.EqualError(t, err, "breaker: Keyed: the key NaN does not equal itself")
	require.Zero(t, floats.Len())
	anys := mustKeyed(t, KeyedConfig[any]{})
	require.Panics(t, func() { _, _ = anys.Get([]int{1}) })
	require.True(t, anys.mu.TryLock(), "no lock is left behind")
	anys.mu.Unlock()
	require.NotSame(t, anys.must(t, 1), anys.must(t, "1"))
}

// TestKeyedSecondChance follows the hand around a small ring.
//
// Planted and caught: the flag is never taken away; it is not looked at; a new key has it from the
// beginning; the hand starts from 0 each time; it goes around once, and ends at what it has just let in.
func TestKeyedSecondChance(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{MaxKeys: 4})
	ask := func(keys ...string) {
		for _, key := range keys {
			k.must(t, key)
		}
		k.invariant(t)
	}
	has := func(want ...string) {
		t.Helper()
		var got []string
		for key := range k.All() {
			got = append(got, key)
		}
		require.Equal(t, want, got)
	}
	ask("a", "b", "c", "d") // once each: none has a second chance
	ask("a", "c")
	ask("e")
	has("a", "e", "c", "d") // a was passed over, b went
	ask("f")
	has("a", "e", "c", "f") // c was passed over, d went
	ask("g")
	has("g", "e", "c", "f") // a has had its chance
	ask("e", "c", "f", "g")
	ask("h") // from e on, once around: all had one
	has("g", "h", "c", "f")
	ask("i")
	has("g", "h", "i", "f") // and h has a round before it
	require.Equal(t, KeyedStats{Keys: 4, Evicted: 5}, k.Stats())
}

// TestKeyedFailing: one that counts failures goes after one that does not, whether that is used or
// not; and among many of its kind, one goes. When the window has forgotten the failures, so has
// the hand. Planted and caught: counts are not looked at, or not those of slow calls; used ones go last.
func TestKeyedFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := mustKeyed(t, KeyedConfig[int]{MaxKeys: 10})
		fail := func(key int) {
			p, err := k.must(t, key).Allow()
			require.NoError(t, err)
			require.Equal(t, Counted, p.Done(errDown))
		}
		for key := range 10 {
			fail(key)
		}
		k.must(t, 7).Reset()
		for range 3 {
			k.must(t, 7) // used, and without failures
		}
		k.must(t, 100)
		require.False(t, k.known(7))
		for key := 101; key < 200; key++ {
			k.must(t, key) // they forget each other
			require.False(t, k.known(key-1))
		}
		fail(199)
		k.must(t, 200)
		require.True(t, k.known(200), "if all count failures, one of them goes")
		k.invariant(t)
		var left int
		for key := range 10 {
			if k.known(key) {
				left++
			}
		}
		require.Equal(t, 8, left, "or 199 itself")
		<-time.After(defaultWindow)
		for key := 300; key < 310; key++ {
			k.must(t, key)
		}
		for key := range 10 {
			require.False(t, k.known(key), "the failures are forgotten, and so are they")
		}
	})
	many := mustKeyed(t, KeyedConfig[int]{MaxKeys: 100})
	for key := range 100 {
		p, err := many.must(t, key).Allow()
		require.NoError(t, err)
		p.Done(map[bool]error{key != 30: errDown}[true])
	}
	many.must(t, 30)
	many.must(t, 100)
	require.False(t, many.known(30), "used, and yet the best of the 64 that the hand has seen")
	require.Equal(t, 64, many.hand)

	slow := mustKeyed(t, KeyedConfig[int]{MaxKeys: 2, Make: func(int) Config {
		return Config{Trip: SlowRate(1, 1, 10, LastCalls(10))}
	}})
	for key := range 2 {
		slow.must(t, key)
	}
	for { // until the clock has moved
		p, _ := slow.must(t, 0).Allow()
		p.Done(nil)
		if slow.must(t, 0).Counts().Slow > 0 {
			break
		}
	}
	slow.must(t, 1)
	slow.must(t, 2)
	require.True(t, slow.known(0), "slow calls count like failures")
}

// TestKeyedCrowd: whatever comes, one that is not closed is not forgotten, and when there are only
// such, new keys are refused; but what is known is found.
//
// Planted and caught: any state is as good as closed; only Open is looked at (and not HalfOpen,
// Forced, Disabled); an eviction that leaves the key in the map; State instead of the raw state.
func TestKeyedCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 200
		k := mustKeyed(t, KeyedConfig[int]{MaxKeys: most, Make: func(int) Config { return Config{Trip: ConsecutiveFailures(1)} }})
		kept := map[int]*Breaker{}
		keep := func(key int, how func(*Breaker)) {
			b := k.must(t, key)
			b.OnStateChange(func(Change) { _ = k.Stats() }) // that would lock up if the Keyed had its lock
			how(b)
			kept[key] = b
		}
		trip := func(b *Breaker) {
			p, err := b.Allow()
			require.NoError(t, err)
			p.Done(errDown)
		}
		for i := range 10 {
			keep(10*i, trip)
			keep(10*i+1, (*Breaker).ForceOpen)
			keep(10*i+2, (*Breaker).Disable)
			keep(10*i+3, trip)
		}
		<-time.After(time.Second)
		for i := range 10 {
			require.Equal(t, HalfOpen, kept[10*i+3].State())
		}
		for key := 1000; key < 20_000; key++ {
			k.must(t, key)
		}
		k.invariant(t)
		require.EqualValues(t, 19_000+len(kept)-most, k.Stats().Evicted)
		for key, b := range kept {
			require.True(t, k.known(key))
			require.Same(t, b, k.must(t, key))
		}
		require.Equal(t, Open, kept[0].period.Load().state, "which the hand has left as it was")

		for key := range k.All() {
			k.must(t, key).ForceOpen()
		}
		before := maps.Collect(k.All())
		for key := 50_000; key < 50_100; key++ {
			_, err := k.Get(key)
			require.Equal(t, ErrNoRoom, err)
			require.False(t, k.known(key))
		}
		require.EqualValues(t, 100, k.Stats().Refused)
		require.Equal(t, before, maps.Collect(k.All()))
		for key, b := range before {
			require.Same(t, b, k.must(t, key))
		}
	})
}

// TestKeyedForgetAfter: an open circuit is forgotten if it is set, its delay is over, and
// nobody has asked for so long; one that is forced or disabled is not.
//
// Planted and caught: the delay is not looked at; asking does not count; Forced is like Open; HalfOpen
// is not; it is forgotten if ForgetAfter is 0.
func TestKeyedForgetAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := mustKeyed(t, KeyedConfig[string]{MaxKeys: 4, ForgetAfter: time.Hour, Make: func(key string) Config {
			openFor := time.Second
			if key == "long" {
				openFor = 3 * time.Hour
			}
			return Config{Trip: ConsecutiveFailures(1), OpenFor: openFor, Jitter: NoJitter}
		}})
		for _, key := range []string{"short", "long"} {
			p, err := k.must(t, key).Allow()
			require.NoError(t, err)
			p.Done(errDown)
		}
		k.must(t, "forced").ForceOpen()
		k.must(t, "disabled").Disable()
		refused := func() {
			t.Helper()
			_, err := k.Get("none")
			require.Equal(t, ErrNoRoom, err)
		}
		refused()
		<-time.After(50 * time.Minute)
		k.must(t, "short")
		<-time.After(50 * time.Minute)
		refused() // somebody has asked for short, and the hand sees it now
		<-time.After(59 * time.Minute)
		refused()
		<-time.After(time.Minute)
		trip, err := k.must(t, "new").Allow()
		require.NoError(t, err)
		require.False(t, k.known("short"))
		trip.Done(errDown)
		<-time.After(10 * time.Minute) // 170 in all
		_, err = k.Get("other")
		require.Equal(t, ErrNoRoom, err, "new was asked for lately, and the delay of long is not over")
		<-time.After(10 * time.Minute)
		other := k.must(t, "other")
		require.False(t, k.known("long"))
		require.True(t, k.known("forced") && k.known("disabled"))

		k.must(t, "new").ForceOpen()
		trip, err = other.Allow()
		require.NoError(t, err)
		trip.Done(errDown)
		<-time.After(time.Second)
		require.Equal(t, HalfOpen, other.State())
		<-time.After(time.Hour - 2*time.Second)
		refused()
		<-time.After(time.Second)
		k.must(t, "last")
		require.False(t, k.known("other"), "and a half-open one, of which no probe has come back")
	})
}

// TestKeyedForgetsTheAbandonedFirst: one that is open, and that nobody has asked for so long, goes before one that
// counts failures of lately. Planted and caught: it goes after those.
func TestKeyedForgetsTheAbandonedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := mustKeyed(t, KeyedConfig[string]{MaxKeys: 2, ForgetAfter: time.Hour, Make: func(string) Config {
			return Config{Trip: ConsecutiveFailures(2), Jitter: NoJitter}
		}})
		for _, key := range []string{"open", "failing"} {
			b := k.must(t, key)
			fails := func(context.Context) error { return errDown }
			require.ErrorIs(t, b.Run(t.Context(), fails), errDown)
			if key == "open" {
				require.ErrorIs(t, b.Run(t.Context(), fails), errDown)
				<-time.After(time.Hour)
			}
		}
		k.must(t, "new")
		require.True(t, k.known("failing"))
		require.False(t, k.known("open"))
	})
}

// naiveKeyed is a Keyed that fits on a slide: it forgets none.
type naiveKeyed struct {
	mu       sync.Mutex
	breakers map[int]*Breaker
	config   Config
}

func (n *naiveKeyed) get(key int) (*Breaker, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if b := n.breakers[key]; b != nil {
		return b, nil
	}
	b, err := New(n.config)
	n.breakers[key] = b
	return b, err
}

// TestKeyedModel makes random calls by random keys, beside a map that forgets nothing: a breaker that
// is not closed, or has room to stay, is in the same state with the same counts as the map's. One that was
// forgotten starts again: the map's is reset when its key comes back.
//
// Planted and caught: any state is as good as closed; the victim's key stays in the map; the new
// one is put beside the place that was found.
func TestKeyedModel(t *testing.T) {
	rnd := seed.New(t)
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			config := Config{Trip: FailureRate(0.5, 3, LastCalls(4)), OpenFor: time.Second, MaxOpenFor: time.Second, Jitter: NoJitter}
			most := 1 + rnd.IntN(100)
			k := mustKeyed(t, KeyedConfig[int]{MaxKeys: most, Make: func(int) Config { return config }})
			naive := &naiveKeyed{breakers: map[int]*Breaker{}, config: config}
			refused := uint64(0)
			for range 2000 {
				key := rnd.IntN(1 + most*3/2)
				if rnd.IntN(4) == 0 {
					key /= 10
				}
				known := k.known(key)
				want, err := naive.get(key)
				require.NoError(t, err)
				got, err := k.Get(key)
				if err != nil {
					require.Equal(t, ErrNoRoom, err)
					require.False(t, known)
					refused++
					want.Reset()
					continue
				}
				if !known {
					require.Equal(t, Closed, want.period.Load().state, "what is open is not forgotten")
					want.Reset()
				}
				fate := []error{nil, nil, errDown}[rnd.IntN(3)]
				permit, wantErr := want.Allow()
				gotPermit, gotErr := got.Allow()
				require.Equal(t, wantErr == nil, gotErr == nil)
				if wantErr == nil {
					require.Equal(t, permit.Done(fate), gotPermit.Done(fate))
				}
				require.Equal(t, want.State(), got.State())
				require.Equal(t, want.Counts(), got.Counts())
				if rnd.IntN(10) == 0 {
					<-time.After(time.Duration(rnd.IntN(300)) * time.Millisecond)
				}
			}
			k.invariant(t)
			require.Equal(t, refused, k.Stats().Refused)
		})
	}
}

// TestKeyedLooks: a new key costs as many looks as there may be, and no more.
func TestKeyedLooks(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[int]{MaxKeys: 1000})
	for range 3 {
		for key := range 1000 {
			k.must(t, key)
		}
	}
	k.must(t, 1000)
	require.Equal(t, 64, k.hand, "all were asked for")
	require.False(t, k.known(0), "the first of those goes")
	k.must(t, 1001)
	require.Equal(t, 128, k.hand)
	for key := range 1000 { // whose chances are gone up to 128
		if key > 200 && k.known(key) {
			k.must(t, key).ForceOpen()
		}
	}
	for key := 2000; key < 2030; key++ {
		hand := k.hand
		if _, err := k.Get(key); errors.Is(err, ErrNoRoom) {
			require.Equal(t, 64, (k.hand-hand+1000)%1000)
		}
	}
}

// TestKeyedAll: it yields what there was when it began, though whoever looks uses the Keyed, and may
// stop.
func TestKeyedAll(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[int]{MaxKeys: 10})
	want := map[int]*Breaker{}
	for key := range 10 {
		want[key] = k.must(t, key)
	}
	got := map[int]*Breaker{}
	for key, b := range k.All() {
		got[key] = b
		k.must(t, 100+key) // evicts
	}
	require.Equal(t, want, got)
	require.Equal(t, 10, k.Len())
	for range k.All() {
		break
	}
}

// TestKeyedRace: all who ask for a key at the same time get one breaker; and while a crowd passes
// through, those that are open stay. Planted and caught: add does not look again.
func TestKeyedRace(t *testing.T) {
	const most, held, workers = 64, 16, 8
	k := mustKeyed(t, KeyedConfig[int]{MaxKeys: most, Make: func(int) Config {
		return Config{Trip: ConsecutiveFailures(1), OpenFor: time.Hour, MaxOpenFor: time.Hour}
	}})
	run := func(f func(worker int)) {
		var all, start sync.WaitGroup
		start.Add(1)
		for worker := range workers {
			all.Go(func() {
				start.Wait()
				f(worker)
			})
		}
		start.Done()
		all.Wait()
	}
	var first [workers][held]*Breaker
	run(func(worker int) {
		for key := range held {
			first[worker][key], _ = k.Get(key)
		}
	})
	for key, b := range first[0] {
		for worker := range workers {
			require.Same(t, b, first[worker][key])
		}
		b.ForceOpen()
	}
	run(func(worker int) {
		for i := range 2000 {
			if b, err := k.Get(i % held); err != nil || b != first[0][i%held] {
				t.Error("an open one was forgotten")
			}
			b, err := k.Get(1000 + worker*10_000 + i)
			if err != nil {
				t.Error(err)
				return
			}
			if p, err := b.Allow(); err == nil {
				p.Done(nil)
			}
			if i%100 == 0 {
				for range k.All() {
				}
				_ = k.Stats()
			}
		}
	})
	k.invariant(t)
	require.Equal(t, KeyedStats{Keys: most, Evicted: held + workers*2000 - most}, k.Stats())
}

func TestKeyedStats(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{MaxKeys: 1})
	k.must(t, "a")
	k.must(t, "b").ForceOpen()
	_, err := k.Get("c")
	require.Equal(t, ErrNoRoom, err)
	text, err := json.Marshal(k.Stats())
	require.NoError(t, err)
	require.JSONEq(t, `{"keys":1,"evicted":1,"refused":1}`, string(text))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("breakers", "hosts", k.Stats())
	require.Contains(t, log.String(), "hosts.keys=1 hosts.evicted=1 hosts.refused=1")
}

func TestKeyedNoAllocations(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{})
	key := fmt.Sprint("host-", 1)
	k.must(t, key)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = k.Get(key) }))
}
