package ratelimit

import (
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// TestKeyedFlashCrowd lets an attacker who is over his limit bring ever new names, to be
// forgotten among them. He gets what he would get without them; and they get room as soon
// as there is any.
func TestKeyedFlashCrowd(t *testing.T) {
	for _, most := range []int{1, 10, 1000, 5000} {
		rng := seed.New(t)
		rate, burst := PerSecond(10), int64(5)
		k := mustKeyed(t, KeyedConfig[int]{Rate: rate, Burst: burst, MaxKeys: most})
		alone, now := NewTokenBucket(rate, burst), k.made
		alone.made = k.made
		const attacker = -1
		admitted, came := 0, 0
		for range 200 {
			now = now.Add(time.Duration(rng.Int64N(int64(50 * time.Millisecond))))
			for range 20 {
				require.Equal(t, alone.TakeAt(now, 1), k.TakeAt(attacker, now, 1))
			}
			for range 200 {
				came++
				if k.TakeAt(came, now, burst).OK {
					admitted++
				}
			}
			require.LessOrEqual(t, k.Len(), most)
		}
		stats := k.Stats()
		require.EqualValues(t, came-admitted, stats.NoRoom)
		require.EqualValues(t, admitted+1-stats.Keys, stats.Evicted)
		require.GreaterOrEqual(t, admitted, min(most, came)-1, "room was left")
		// TakeAt of the attacker passes nothing but his own slot.
		slots := 0
		for i := range k.shards {
			slots += k.shards[i].slots.Load().len()
		}
		require.LessOrEqual(t, stats.Swept, uint64(sweep*came+slots))
		t.Logf("of %d keys that came to %d: %+v", came, most, stats)
	}
}

// TestKeyedSweep counts the slots that the hand passes: a way around when nobody can be
// forgotten, and then none until somebody can; and no more than sweep for each new key, where
// only one can. Planted and caught: a hand that does not rest, one that goes on for as long as
// it likes.
func TestKeyedSweep(t *testing.T) {
	const most = 1024
	fill := func(idle func(i int) bool) (k *Keyed[int], slots int, now time.Time) {
		k = mustKeyed(t, KeyedConfig[int]{Rate: PerSecond(1), Burst: 100, MaxKeys: most})
		for i := range most {
			n := int64(100)
			if idle(i) {
				n = 1
			}
			require.True(t, k.TakeAt(i, k.made, n).OK)
		}
		require.Zero(t, k.Stats().Swept, "nobody had to go")
		return k, k.shards[0].slots.Load().len(), k.made.Add(50 * time.Second)
	}

	k, slots, now := fill(func(int) bool { return false })
	for i := range 10000 {
		d := k.TakeAt(-1-i, now, 1)
		require.Equal(t, Decision{Limit: 100, RetryAfter: 50 * time.Second, ResetAfter: 50 * time.Second}, d)
	}
	require.EqualValues(t, slots, k.Stats().Swept)
	require.True(t, k.TakeAt(-1, now.Add(50*time.Second), 1).OK)

	k, slots, now = fill(func(int) bool { return true })
	for i := range most {
		require.True(t, k.TakeAt(-1-i, now, 100).OK)
	}
	require.EqualValues(t, most, k.Stats().Evicted)
	require.LessOrEqual(t, k.Stats().Swept, uint64(2*slots))

	// One at a time can go, and a new key comes at once, so that it is a long way to find it.
	rng := seed.New(t)
	k, slots, now = fill(func(int) bool { return false })
	admitted, refused := 0, 0
	held := make([]int, most)
	for i := range held {
		held[i] = i
	}
	for came := range 10000 {
		if k.shards[0].rest > since(k.made, now) { // nobody can
			k.Reset(held[rng.IntN(most)])
		}
		if k.TakeAt(-1-came, now, 100).OK {
			admitted++
			held = held[:0]
			for key := range k.All() {
				held = append(held, key)
			}
		} else {
			refused++
		}
		require.LessOrEqual(t, k.Stats().Swept, uint64(sweep*(came+1)+slots))
	}
	t.Logf("%d had room, %d would have: %d slots passed", admitted, refused, k.Stats().Swept)
	require.Greater(t, admitted, 10000*sweep/slots/2)
}

// TestKeyedHand lets buckets fill up before and behind a hand whose way around takes many
// calls. Planted and caught: a note that does not tell it of those it has passed, or that a
// bucket is full before it has rested.
func TestKeyedHand(t *testing.T) {
	rng := seed.New(t)
	k := mustKeyed(t, KeyedConfig[int]{Rate: PerSecond(1), Burst: 1000, MaxKeys: 400})
	s, now, partly := &k.shards[0], k.made, 0
	for key := range 6000 {
		now = now.Add(time.Duration(rng.Int64N(int64(time.Second))))
		k.TakeAt(key, now, 1000-rng.Int64N(20))
		slots := s.slots.Load()
		if e := slots.members[rng.IntN(slots.len())].Load(); e != nil {
			switch rng.IntN(4) {
			case 0:
				k.Reset(e.key)
			case 1:
				k.Refund(e.key, 1+rng.Int64N(1000))
			case 2:
				k.TakeAt(e.key, now, 5)
			}
		}
		if s.used == s.most && s.left < slots.len() {
			partly++
		}
		checkKeyedShard(t, k, s)
	}
	require.Positive(t, partly)
	t.Logf("%d times in the middle of its way; %+v", partly, k.Stats())
}

// TestKeyedUneven fills many shards until the first is full.
func TestKeyedUneven(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[int]{Rate: Per(1, time.Hour), Burst: 1})
	n := 0
	for k.Allow(n) {
		n++
	}
	require.Equal(t, n, k.Len())
	require.Greater(t, n, defaultMaxKeys*8/10) // seven standard deviations of a shard
	t.Logf("the first of %d shards was full at %d of %d", len(k.shards), n, defaultMaxKeys)
	for range 2 * defaultMaxKeys {
		n++
		k.Allow(n)
	}
	require.LessOrEqual(t, k.Len(), defaultMaxKeys)
	require.Greater(t, k.Len(), defaultMaxKeys*99/100)
	for i := range k.shards {
		checkKeyedShard(t, k, &k.shards[i])
	}
}

func TestKeyedOverflow(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{Rate: PerSecond(1), Burst: 2, MaxKeys: 1, WhenFull: ShareOverflow})
	now := k.made
	require.True(t, k.TakeAt("a", now, 2).OK)
	require.Equal(t, Decision{OK: true, Limit: 2, Remaining: 1, ResetAfter: time.Second}, k.TakeAt("b", now, 1))
	require.Equal(t, Decision{OK: true, Limit: 2, ResetAfter: 2 * time.Second}, k.TakeAt("c", now, 1))
	require.Equal(t, Decision{Limit: 2, RetryAfter: time.Second, ResetAfter: 2 * time.Second}, k.TakeAt("b", now, 1))
	k.Refund("c", 1)
	require.False(t, k.TakeAt("c", now, 1).OK, "it has no bucket to get anything back")
	require.EqualValues(t, 4, k.Stats().NoRoom)
	now = now.Add(2 * time.Second)
	require.Equal(t, Decision{OK: true, Limit: 2, ResetAfter: 2 * time.Second}, k.TakeAt("b", now, 2), "there is room")
	require.Equal(t, Decision{OK: true, Limit: 2, Remaining: 1, ResetAfter: time.Second}, k.TakeAt("a", now, 1), "of the overflow")
	require.NoError(t, k.SetLimit(PerSecond(1), 7))
	require.EqualValues(t, 7, k.TakeAt("c", now, 0).Limit, "the overflow has the limit of all")

	k = mustKeyed(t, KeyedConfig[string]{Rate: PerSecond(1), Burst: 2, MaxKeys: 1,
		WhenFull: ShareOverflow, OverflowRate: PerSecond(5), OverflowBurst: 9})
	require.True(t, k.TakeAt("a", k.made, 2).OK)
	require.NoError(t, k.SetLimit(PerSecond(1), 7))
	require.EqualValues(t, 9, k.TakeAt("b", k.made, 0).Limit)
}

// TestKeyedTimeRunsBackwards: what was forgotten because it was full is not full an hour
// before. Planted and caught: admit that begins with a full bucket at any time.
func TestKeyedTimeRunsBackwards(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{Rate: Per(1, time.Minute), Burst: 1, MaxKeys: 1})
	require.True(t, k.TakeAt("a", k.made, 1).OK)
	require.True(t, k.TakeAt("b", k.made.Add(time.Minute), 0).OK) // forgets a
	require.Zero(t, k.Len())
	require.Equal(t, 59*time.Second, k.TakeAt("a", k.made.Add(time.Second), 1).RetryAfter)
	require.True(t, k.TakeAt("a", k.made.Add(time.Minute), 1).OK)

	// A moment before counts as now, if it is only that others were faster.
	k = mustKeyed(t, KeyedConfig[string]{Rate: Per(1, time.Minute), Burst: 1})
	s, _ := k.shard("a")
	s.forgot = sinceNow(k.made)
	var given, live Decision
	k.take(&given, "a", s.forgot-1, 1, false)
	require.EqualValues(t, 1, given.RetryAfter)
	k.take(&live, "a", s.forgot-1, 1, true)
	require.True(t, live.OK)
}

func TestKeyedUnlimited(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[int]{Rate: Unlimited, Burst: 1, MaxKeys: 2})
	for i := range 100 {
		require.True(t, k.Allow(i))
	}
	require.Equal(t, KeyedStats{}, k.Stats(), "nothing to remember")
	require.NoError(t, k.SetQuota(1, Per(1, time.Hour), 2))
	require.Equal(t, []bool{true, true, false, true}, []bool{k.Allow(1), k.Allow(1), k.Allow(1), k.Allow(2)})
	require.True(t, k.RemoveQuota(1))
	require.False(t, k.RemoveQuota(1))
	require.True(t, k.Allow(1))
	require.False(t, k.TakeAt(7, time.Now(), -1).OK)
}

// TestKeyedQuota: it runs under no lock, is asked once for a key as long as that is remembered,
// and may be wrong, slow, or panic. Planted and caught: an unknown that
// unlocks by defer, one that does not look again after Quota.
func TestKeyedQuota(t *testing.T) {
	var k *Keyed[string]
	asked := map[string]int{}
	k = mustKeyed(t, KeyedConfig[string]{Rate: Per(1, time.Hour), Burst: 1, MaxKeys: 100, Quota: func(key string) (Limit, int64) {
		asked[key]++
		k.Len()
		switch key {
		case "big":
			return Per(1, time.Hour), 10
		case "free":
			return Unlimited, 1
		case "bad":
			return PerSecond(1), 0
		case "panics":
			panic("no quota")
		case "changes":
			if asked[key] > 1 {
				break // SetQuota asks for what it was before
			}
			require.NoError(t, k.SetQuota(key, Per(1, time.Hour), 3))
		case "asks":
			k.Allow("big")
		}
		return Limit{}, 0
	}})
	take := func(key string) (n int) {
		for n < 100 && k.Allow(key) {
			n++
		}
		return n
	}
	require.Equal(t, 1, take("small"))
	require.Equal(t, 1, take("asks"))
	require.Equal(t, 9, take("big"), "asks has taken one")
	require.Equal(t, 100, take("free"))
	require.Equal(t, 1, take("changes"), "a burst of 1, raised to 3, fills at its rate")
	require.Equal(t, map[string]int{"small": 1, "asks": 1, "big": 1, "free": 1, "changes": 2}, asked)
	require.Equal(t, Decision{RetryAfter: Never}, k.Take("bad", 1))
	require.EqualValues(t, 1, k.Stats().BadQuotas)
	require.PanicsWithValue(t, "no quota", func() { k.Allow("panics") })
	require.PanicsWithValue(t, "no quota", func() { k.Allow("panics") })
	require.Equal(t, 5, k.Len())

	require.NoError(t, k.SetQuota("big", PerSecond(1), 5))
	require.EqualValues(t, 5, k.Take("big", 0).Limit)
	require.True(t, k.RemoveQuota("big"))
	require.EqualValues(t, 10, k.Take("big", 0).Limit, "what Quota says")
}

// TestKeyedOwners: a key with a quota of its own is not forgotten, and takes room.
func TestKeyedOwners(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[int]{Rate: PerSecond(1000), Burst: 1, MaxKeys: 3})
	now := k.made
	for i := range 3 {
		require.NoError(t, k.SetQuota(i, PerSecond(1), int64(10+i)))
	}
	require.Len(t, k.shards[0].palette, 3)
	require.ErrorIs(t, k.SetQuota(3, PerSecond(1), 1), ErrNoRoom)
	require.Equal(t, Decision{Limit: 1, RetryAfter: Never, ResetAfter: Never}, k.TakeAt(3, now.Add(time.Hour), 1))
	require.EqualValues(t, 11, k.Take(1, 0).Limit)
	require.NoError(t, k.SetQuota(1, PerSecond(1), 10))
	require.Len(t, k.shards[0].palette, 2)
	require.True(t, k.RemoveQuota(1))
	require.True(t, k.TakeAt(3, now.Add(time.Hour), 1).OK, "now there is room")
	require.Equal(t, KeyedStats{Keys: 3, Quotas: 2, Evicted: 1, NoRoom: 1}, func() KeyedStats {
		s := k.Stats()
		s.Swept = 0
		return s
	}())
}

// talker is a key whose String uses the Keyed.
type talker struct{ k **Keyed[talker] }

func (t talker) String() string { return strconv.Itoa((*t.k).Len()) }

// TestKeyedString: an error names the key, under no lock. Planted: one that is made under it.
func TestKeyedString(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[talker]{Rate: Per(1, time.Hour), Burst: 1, MaxKeys: 1})
	require.True(t, k.Allow(talker{}))
	failed := make(chan error, 1)
	go func() { failed <- k.SetQuota(talker{&k}, PerSecond(1), 1) }()
	select {
	case err := <-failed:
		require.EqualError(t, err, "ratelimit: no room for another key: SetQuota of 1")
	case <-time.After(10 * time.Second):
		require.Fail(t, "String waits for a lock that who calls it holds")
	}
}

// TestKeyedSweepOfQuotas lets a crowd come to a Keyed with a Quota and without: the hand passes
// no more slots, and Quota is not asked for those who find no room.
func TestKeyedSweepOfQuotas(t *testing.T) {
	const most = 1000
	for _, quota := range []func(int) (Limit, int64){nil, func(key int) (Limit, int64) {
		require.Less(t, key, most)
		return Limit{}, 0
	}} {
		k := mustKeyed(t, KeyedConfig[int]{Rate: PerSecond(1), Burst: 100, MaxKeys: most, Quota: quota})
		for key := range most {
			require.True(t, k.TakeAt(key, k.made, 100).OK)
		}
		s := &k.shards[0]
		s.credit = 0
		for key := range 10 {
			require.False(t, k.TakeAt(most+key, k.made, 1).OK)
			require.EqualValues(t, sweep*(key+1), s.swept)
		}
	}
}

func TestKeyedSetLimit(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{Rate: Per(1, time.Hour), Burst: 4})
	require.True(t, k.Take("a", 3).OK)
	require.NoError(t, k.SetQuota("own", Per(1, time.Hour), 4))
	require.NoError(t, k.SetLimit(Per(1, time.Hour), 10))
	require.EqualValues(t, 1, k.Take("a", 0).Remaining)
	require.EqualValues(t, 4, k.Take("b", 0).Remaining, "also one that nobody has seen fills at its rate")
	require.EqualValues(t, 4, k.Take("own", 0).Limit)
	require.NoError(t, k.SetLimit(Per(1, time.Hour), 2))
	require.EqualValues(t, 1, k.Take("a", 0).Remaining)
	require.EqualValues(t, 2, k.Take("b", 0).Remaining)
	require.True(t, k.Take("a", 1).OK)
	k.Reset("a")
	require.EqualValues(t, 2, k.Take("a", 0).Remaining)
}

// TestKeyedStrangeKeys: such as are not equal to themselves, as cannot be compared, and of no
// size.
func TestKeyedStrangeKeys(t *testing.T) {
	f := mustKeyed(t, KeyedConfig[float64]{Rate: PerSecond(1), Burst: 1, MaxKeys: 10})
	for range 100 {
		f.TakeAt(math.NaN(), f.made, 1)
	}
	require.Equal(t, 10, f.Len())
	require.True(t, f.TakeAt(1, f.made.Add(time.Second), 1).OK)
	checkKeyedShard(t, f, &f.shards[0])

	a := mustKeyed(t, KeyedConfig[any]{Rate: Per(1, time.Hour), Burst: 1})
	require.Panics(t, func() { a.Allow([]int{1}) })
	require.Equal(t, []bool{true, true, false}, []bool{a.Allow(1), a.Allow("1"), a.Allow(1)})

	e := mustKeyed(t, KeyedConfig[struct{}]{Rate: Per(1, time.Hour), Burst: 1})
	require.Equal(t, []bool{true, false}, []bool{e.Allow(struct{}{}), e.Allow(struct{}{})})
}

func TestKeyedLimiter(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{Rate: Per(1, time.Hour), Burst: 3})
	both := All(k.Limiter("a"), NewTokenBucket(Per(1, time.Hour), 1))
	require.Equal(t, []bool{true, false, false}, []bool{both.Take(1).OK, both.Take(1).OK, both.TakeAt(time.Now(), 1).OK})
	require.EqualValues(t, 2, k.Limiter("a").Take(0).Remaining, "it got back what the other one refused")
	k.Limiter("a").Refund(9)
	require.EqualValues(t, 3, k.Limiter("a").TakeAt(time.Now(), 0).Remaining)
	require.Zero(t, testing.AllocsPerRun(100, func() { k.Allow("a"); k.Take("a", 1); k.Refund("a", 1) }))
}

// TestKeyedAll changes everything while it goes over the keys.
func TestKeyedAll(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[int]{Rate: Per(1, time.Hour), Burst: 2, MaxKeys: 10000})
	for i := range 3000 {
		require.True(t, k.Allow(i))
	}
	seen := map[int]bool{}
	for key, d := range k.All() {
		require.False(t, seen[key])
		seen[key] = true
		if key >= 3000 {
			continue
		}
		require.EqualValues(t, 1, d.Remaining)
		require.True(t, d.OK)
		require.True(t, k.Allow(key))
		require.False(t, k.Allow(key))
		k.Allow(key + 3000)
		require.NoError(t, k.SetQuota(key, PerSecond(1), 5))
		if key%100 == 0 {
			for range k.All() {
				break
			}
			require.NoError(t, k.SetLimit(Per(1, time.Hour), 2))
		}
	}
	for i := range 3000 {
		require.True(t, seen[i], i)
	}
}

// TestKeyedRace lets 8 goroutines take from 16 keys among a crowd, while others look: each
// key admits its burst, exactly. Planted and caught: a search that takes the first member it finds for the key.
func TestKeyedRace(t *testing.T) {
	const crowd = 1000
	k := mustKeyed(t, KeyedConfig[int]{Rate: Per(1, 1000*time.Hour), Burst: 50, MaxKeys: 40, Quota: func(key int) (Limit, int64) {
		if key >= crowd {
			return PerSecond(1e9), 1 // forgotten at once
		}
		return Limit{}, 0
	}})
	var admitted [16]atomic.Int64
	raceKeyed(t, 8, func(rng *rand.Rand) {
		for range 3000 {
			if key := rng.IntN(32); key >= 16 {
				k.Allow(crowd + rng.IntN(1000))
			} else if key%2 == 0 && k.Allow(key) || key%2 == 1 && k.Take(key, 1).OK {
				admitted[key].Add(1)
			}
		}
		for range k.All() {
			k.Stats()
		}
	})
	for i := range admitted {
		for k.Allow(i) { // those for which there was no room for long
			admitted[i].Add(1)
		}
		require.EqualValues(t, 50, admitted[i].Load(), "key %d", i)
	}
	require.LessOrEqual(t, k.Len(), 40)
	checkKeyedShard(t, k, &k.shards[0])
}

// TestKeyedRaceOfLimits changes limits and quotas meanwhile: they are 20 at most, and no
// change makes tokens. Planted and caught: a convert that fills a bucket.
func TestKeyedRaceOfLimits(t *testing.T) {
	slow := Per(1, 1000*time.Hour)
	k := mustKeyed(t, KeyedConfig[int]{Rate: slow, Burst: 20, MaxKeys: 5000})
	var admitted [32]atomic.Int64
	raceKeyed(t, 8, func(rng *rand.Rand) {
		for range 2000 {
			key := rng.IntN(len(admitted))
			switch rng.IntN(20) {
			case 0:
				require.NoError(t, k.SetLimit(slow, 10+rng.Int64N(11)))
			case 1:
				require.NoError(t, k.SetQuota(key, slow, 10+rng.Int64N(11)))
			case 2:
				k.RemoveQuota(key)
			case 3:
				k.Refund(key, 0)
			case 4:
				for key, d := range k.All() {
					require.LessOrEqual(t, d.Remaining, int64(20), key)
				}
			default:
				n := 1 + rng.Int64N(2)
				if k.Take(key, n).OK {
					admitted[key].Add(n)
				}
			}
		}
	})
	for i := range admitted {
		n := admitted[i].Load()
		require.LessOrEqual(t, n, int64(20), "key %d", i)
		require.GreaterOrEqual(t, n, int64(9), "key %d", i)
	}
	for i := range k.shards {
		checkKeyedShard(t, k, &k.shards[i])
	}
}

// TestKeyedClosing lets one goroutine take the last token of a bucket while another one forgets
// it or changes its pace: what was taken is missing afterwards, or nothing was. Planted and
// caught: a forgotten one that is closed by a store instead of a swap; a decision that lost to
// it and leaves a yes behind. (A pace that is changed with a load and a store is caught by the long
// form.)
func TestKeyedClosing(t *testing.T) {
	made, err := makePace(Per(1, time.Hour), 1)
	require.NoError(t, err)
	base := &tint{pace: made}
	s := &shard[int]{base: base}
	const now = int64(time.Hour)
	rounds := make(chan *member[int])
	decided := make(chan Decision)
	var turn atomic.Int32
	together := func(delay int) { // both are here, or one of them a moment later
		turn.Add(1)
		for spins := 1; turn.Load() < 2; spins++ {
			if spins%100 == 0 {
				runtime.Gosched()
			}
		}
		for range delay {
			turn.Load()
		}
	}
	rng := seed.New(t)
	go func() {
		defer close(decided)
		for m := range rounds {
			var d Decision
			together(m.key)
			m.decide(&d, now, 1)
			decided <- d
		}
	}()
	var won [2]int
	n := 3_000
	if form.Long() {
		n = 50_000
	}
	for i := range n {
		turn.Store(0)
		m := &member[int]{tint: base, key: rng.IntN(50)}
		rounds <- m
		together(rng.IntN(50))
		var d Decision
		if i%2 == 0 {
			_, forgotten := s.closeIfFull(m, now)
			d = <-decided
			check(t, forgotten != d.OK, "forgotten: %v, taken: %v", forgotten, d.OK)
		} else {
			changed := m.repainted(&tint{pace: made}, func() int64 { return now })
			d = <-decided
			check(t, (made.room(changed.tat.Load(), made.at(now)) == 0) == d.OK, "taken: %v", d.OK)
		}
		won[count(d.OK)]++
	}
	close(rounds)
	<-decided
	t.Logf("%d times nothing was taken, %d times it was", won[0], won[1])
	require.Positive(t, won[0])
	require.Positive(t, won[1])
}

// TestKeyedClosed asks while the pace of a key is just being changed. Planted and caught: an
// Allow and a Take that say no to who finds a member closed.
func TestKeyedClosed(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[string]{Rate: Per(1, time.Hour), Burst: 10, MaxKeys: 1})
	require.True(t, k.Allow("a"))
	for _, ask := range []func() bool{func() bool { return k.Allow("a") }, func() bool { return k.Take("a", 1).OK }} {
		s, hash := k.shard("a")
		s.mu.Lock()
		i, m := s.find("a", hash)
		changed := m.repainted(s.base, func() int64 { return sinceNow(k.made) })
		got := make(chan bool)
		go func() { got <- ask() }()
		select {
		case ok := <-got:
			require.Fail(t, "not waited", "%v", ok)
		case <-time.After(20 * time.Millisecond):
		}
		s.slots.Load().members[i].Store(changed)
		s.mu.Unlock()
		require.True(t, <-got)
	}
}

func raceKeyed(t *testing.T, goroutines int, do func(*rand.Rand)) {
	value := seed.Value(t)
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() { do(rand.New(rand.NewPCG(value, uint64(g)))) })
	}
	all.Wait()
}
