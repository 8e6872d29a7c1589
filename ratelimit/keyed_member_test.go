package ratelimit

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKeyedOut looks at members that were found before their key went, or got another pace:
// they are closed, and when a table grows they stay what they are. Planted and caught: a change
// of the pace that does not close, an eviction that does not, a grow that makes new members.
func TestKeyedOut(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[int]{Rate: PerSecond(1), Burst: 10, MaxKeys: 100})
	s := &k.shards[0]
	member := func() *member[int] {
		_, hash := k.shard(0)
		_, m := s.find(0, hash)
		return m
	}
	require.True(t, k.TakeAt(0, k.made, 1).OK)
	m, old := member(), s.slots.Load()
	for key := range 100 {
		k.TakeAt(key, k.made, 1)
	}
	require.NotSame(t, old, s.slots.Load())
	require.Same(t, m, member(), "of a table that has grown")
	for _, change := range []func(){
		func() { require.NoError(t, k.SetLimit(PerSecond(1), 10)) },
		func() { require.NoError(t, k.SetQuota(0, PerSecond(1), 10)) },
		func() { require.NoError(t, k.SetQuota(0, PerSecond(1), 10)) },
		func() { require.True(t, k.RemoveQuota(0)) },
		func() {
			for key := range 100 {
				require.True(t, k.TakeAt(-1-key, k.made.Add(time.Hour), 10).OK)
			}
		},
	} {
		m := member()
		require.NotEqualValues(t, int64(closed), m.tat.Load())
		change()
		require.EqualValues(t, int64(closed), m.tat.Load())
		require.NotSame(t, m, member())
	}
	require.Nil(t, member())
}

// TestKeyedNoDebt lets somebody take all that there is every second, until the member is closed
// whose pace is just being changed: it is gone then, and he owes no more than that. Planted and
// caught: a change that reads the clock before it closes a member.
func TestKeyedNoDebt(t *testing.T) {
	slow, fast := newPace("", Per(1, time.Hour), 10), newPace("", PerSecond(1000), 10)
	for name, change := range map[string]func(*Keyed[string], func() int64){
		"SetLimit":    func(k *Keyed[string], now func() int64) { k.setLimit(&slow, now) },
		"SetQuota":    func(k *Keyed[string], now func() int64) { require.NoError(t, k.setQuota("a", &slow, now)) },
		"RemoveQuota": func(k *Keyed[string], now func() int64) { require.True(t, k.removeQuota("a", now)) },
	} {
		k := mustKeyed(t, KeyedConfig[string]{Rate: PerSecond(1000), Burst: 10})
		now := k.made
		fixed := func() int64 { return since(k.made, now) }
		if name == "RemoveQuota" {
			k.setLimit(&slow, fixed)
			require.NoError(t, k.setQuota("a", &fast, fixed))
		}
		require.True(t, k.TakeAt("a", now, 10).OK)
		s, hash := k.shard("a")
		_, m := s.find("a", hash)
		change(k, func() int64 {
			ns := since(k.made, now)
			if m.tat.Load() != closed {
				now = now.Add(time.Second)
				require.True(t, k.TakeAt("a", now, 10).OK, "without the lock, which is held")
			}
			return ns
		})
		require.Equal(t, Decision{Limit: 10, RetryAfter: time.Hour, ResetAfter: 10 * time.Hour}, k.TakeAt("a", now, 0), name)
	}
}

// TestKeyedConserves lets one goroutine change limits and quotas to what they were, and a crowd
// come, while others take from the same keys and give back, so that buckets become full and are
// forgotten: in the end each key has its burst, less what they have kept. And each has a key for
// himself: when he has filled it, it is full. Planted and caught: a decision without a swap; a
// change of the pace that reads the word, yields, and then closes it.
func TestKeyedConserves(t *testing.T) {
	const burst, shared, others = 60, 2, 4
	slow := Per(1, 1000*time.Hour)
	for range rounds(5) {
		k := mustKeyed(t, KeyedConfig[int]{Rate: slow, Burst: burst, MaxKeys: 40, Quota: func(key int) (Limit, int64) {
			if key >= 100 {
				return PerSecond(1e9), 1 // forgotten at once
			}
			return Limit{}, 0
		}})
		var kept [shared]atomic.Int64
		var came, went atomic.Int32
		raceKeyed(t, 1+others, func(rng *rand.Rand) {
			own := shared + int(came.Add(1))
			for own == shared+1 && went.Load() < others {
				switch key := rng.IntN(shared + 1 + others); rng.IntN(8) {
				case 0, 1:
					require.NoError(t, k.SetLimit(slow, burst))
				case 2, 3:
					require.NoError(t, k.SetQuota(key, slow, burst))
					k.RemoveQuota(key)
				default:
					k.Allow(100 + rng.IntN(1000))
				}
			}
			var mine [shared]int64
			for range 20_000 {
				key, n := rng.IntN(shared), 1+rng.Int64N(9)
				switch rng.IntN(8) {
				case 0:
					check(t, k.Take(own, burst-1).OK, "is not full") // less one: his clock may be late
					k.Reset(own)
				case 1:
					check(t, k.Take(own, burst-1).OK, "is not full")
					k.Refund(own, burst-1)
				case 2, 3:
					k.Refund(key, mine[key])
					mine[key] = 0
				case 4, 5:
					if k.Allow(key) {
						mine[key]++
					}
				default:
					if k.Take(key, n).OK {
						mine[key] += n
					}
				}
			}
			went.Add(1)
			for key, n := range mine {
				kept[key].Add(n)
			}
		})
		for key := range kept {
			for n := kept[key].Load(); n < burst; n++ {
				require.True(t, k.Allow(key), "key %d has lost some", key)
			}
			require.False(t, k.Allow(key), "key %d has made some", key)
		}
		checkKeyedShard(t, k, &k.shards[0])
	}
}

// TestKeyedSearch searches a table while another one changes it, in which all hashes are one: it
// finds the key, or nothing, or one that is not there any more. Planted and caught: a search that
// takes the member of another key.
func TestKeyedSearch(t *testing.T) {
	const keys, hash = 12, 1
	for range rounds(10) {
		var tab table[int]
		tab.init(keys)
		var changing atomic.Bool
		raceKeyed(t, 2, func(rng *rand.Rand) {
			if changing.Swap(true) { // the other one is here, and searches
				for range 20_000 {
					key := rng.IntN(keys)
					if i, m := tab.find(key, hash); m != nil {
						m.tat.Store(closed)
						tab.remove(i)
						continue
					}
					if tab.tight() {
						tab.grow()
					}
					tab.insert(&member[int]{key: key}, hash)
				}
				changing.Store(false)
				return
			}
			for changing.Load() {
				key := rng.IntN(keys)
				if _, m := tab.find(key, hash); m != nil {
					check(t, m.key == key, "found %d instead of %d", m.key, key)
				}
			}
		})
	}
}

// TestKeyedGarbage: a new key costs its member, and nothing if it is refused.
func TestKeyedGarbage(t *testing.T) {
	k := mustKeyed(t, KeyedConfig[int]{Rate: PerSecond(1), Burst: 10, MaxKeys: 10})
	key, now := 0, k.made
	comes := func() bool {
		key++
		return k.TakeAt(key, now, 1).OK
	}
	for range 10 {
		require.True(t, comes())
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { comes() }), "there is no room")
	require.EqualValues(t, 1, testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		require.True(t, comes())
	}))
}
