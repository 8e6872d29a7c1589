package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestCacheModel plays random calls with every configuration of FuzzCache. Planted
// and caught: a refused value whose former one stays, a Compute that stores without
// telling of the old one, a Resize that forgets the weights.
func TestCacheModel(t *testing.T) {
	ForEveryKind(t, cacheModel[int], cacheModel[*int], cacheModel[Pair])
}

func cacheModel[V any](t *testing.T, kind Kind[V]) {
	rng := seed.New(t)
	for config := range 256 {
		ops := make([]byte, 300)
		for i := range ops {
			ops[i] = byte(rng.Uint32())
			if i%2 == 1 && rng.IntN(2) == 0 {
				ops[i] %= 16 // some keys are hot
			}
		}
		playCache(t, kind, byte(config), ops)
	}
}

// FuzzCache lets the fuzzer choose a configuration and calls of one goroutine, two
// bytes each, and compares with a map: what is found is the newest value, what was
// set just now is found, the bounds hold, nothing is told twice, and in the end
// everything was told once.
func FuzzCache(f *testing.F) {
	f.Add(byte(3), []byte("\x00a\x10a\x20b\x00c\x30a\x40d\x50e\x60f\x70a\x05x\x00x"))
	f.Add(byte(0x8f), []byte("\x00a\x01b\x02c\x03d\x04e\x05f\x06g\x07h\x00a\x11b"))
	f.Fuzz(func(t *testing.T, config byte, ops []byte) {
		ops = ops[:min(len(ops), 2000)]
		playCache(t, numbers(), config, ops)
		playCache(t, pairs(t), config, ops)
	})
}

func playCache[V any](t *testing.T, kind Kind[V], config byte, ops []byte) {
	m := newModel(t, kind, config)
	for i := 0; i+1 < len(ops); i += 2 {
		m.do(ops[i], int(ops[i+1]), i)
	}
	m.c.Clear()
	require.Zero(t, m.c.Len())
	for id := range m.stored {
		require.Equal(t, 1, m.told[id], "value %d", id)
	}
	require.Len(t, m.told, len(m.stored), "nothing else was told")
}

// model is a cache and what it must not contradict. Values are numbers that are
// used once, and cost their last digit.
type model[V any] struct {
	t      *testing.T
	kind   Kind[V]
	c      *Cache[int, V]
	costs  bool
	newest map[int]int  // by key; of those that were deleted, none
	stored map[int]bool // values
	told   map[int]int  // how often, by value
}

func newModel[V any](t *testing.T, kind Kind[V], config byte) *model[V] {
	m := &model[V]{t: t, kind: kind, newest: map[int]int{}, stored: map[int]bool{}, told: map[int]int{}}
	c := Config[int, V]{MaxEntries: 1 + int(config&31), OnEvict: func(_ int, v V, _ Reason) { m.told[kind.Number(v)]++ }}
	if m.costs = config&32 != 0; m.costs {
		c.MaxCost, c.Cost = 20, func(_ int, v V) int64 { return int64(kind.Number(v) % 10) }
	}
	if config&64 != 0 {
		c.IdleTTL = time.Hour
	}
	if config&128 != 0 {
		c.Hash = func(key int) uint64 { return uint64(key % 2) }
	}
	m.c = made(t, c)
	return m
}

func (m *model[V]) do(op byte, key, id int) {
	value, number := m.kind.Of(id), m.kind.Number
	newest, known := m.newest[key]
	switch op >> 4 {
	default:
		m.c.Set(key, value)
		m.stored[id], m.newest[key] = true, id
		v, ok := m.c.Peek(key)
		require.True(m.t, ok)
		require.Equal(m.t, id, number(v))
	case 1, 2:
		if v, ok := m.c.Get(key); ok {
			require.True(m.t, known)
			require.Equal(m.t, newest, number(v))
		}
	case 3:
		if v, ok := m.c.Delete(key); ok {
			require.True(m.t, known)
			require.Equal(m.t, newest, number(v))
		}
		delete(m.newest, key)
	case 4:
		v, loaded := m.c.GetOrSet(key, value)
		if loaded {
			require.Equal(m.t, newest, number(v))
		} else {
			m.stored[id], m.newest[key] = true, id
		}
	case 5:
		m.c.Compute(key, func(old V, ok bool) (V, Op) {
			if ok {
				require.Equal(m.t, newest, number(old))
			}
			return value, Op(op % 3)
		})
		switch Op(op % 3) {
		case Store:
			m.stored[id], m.newest[key] = true, id
		case Remove:
			delete(m.newest, key)
		}
	case 6:
		m.stored[id] = true
		if op%3 == 0 { // an entry that could expire, beside others that cannot
			m.c.SetTTL(key, value, time.Hour)
			m.newest[key] = id
			break
		}
		m.c.SetTTL(key, value, time.Duration(op%2)-1) // 0 or less
		delete(m.newest, key)
		_, ok := m.c.Get(key)
		require.False(m.t, ok)
	case 7:
		require.NoError(m.t, m.c.Resize(1+key%40))
	}
	p := m.c.parts.Load()
	for i := range p.shards {
		checkShard(m.t, &p.shards[i])
	}
	if m.costs {
		require.LessOrEqual(m.t, m.c.Cost(), int64(20))
	}
	for key, v := range m.c.All() {
		require.Equal(m.t, m.newest[key], number(v))
	}
}
