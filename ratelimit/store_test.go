package ratelimit

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// storeLevel is what is missing in a bucket, counted as in a leaky one: it leaks all the time.
type storeLevel struct{ missing, at int64 }

func (l *storeLevel) leak(now int64) {
	l.missing = max(l.missing-(now-l.at), 0)
	l.at = now
}

// storeHistory runs operations that bytes stand for on a MemoryStore of few keys and on one
// of many, on a clock that also runs backwards. The large one must decide as the levels
// do. The small one may refuse what it would grant if it had more room, and never grants what
// it would not.
func storeHistory(t *testing.T, data []byte) {
	const names = 12
	small, large := NewMemoryStore(3), NewMemoryStore(names)
	exact, atMost := map[string]*storeLevel{}, map[string]*storeLevel{}
	clock, latest := int64(1000), int64(0)
	for ; len(data) >= 4; data = data[4:] {
		clock = max(clock+int64(int8(data[0]))*int64(data[1]>>4), 0)
		latest = max(latest, clock)
		key := fmt.Sprint(data[2] % names)
		period := int64(1 + data[2]%names%5*7) // of a key always the same
		tolerance := period*10 + period/2
		cost := int64(data[3]%16) - 4
		for i, s := range []*MemoryStore{small, large} {
			levels := []map[string]*storeLevel{atMost, exact}[i]
			if levels[key] == nil {
				levels[key] = &storeLevel{}
			}
			l := levels[key]
			tat, now, ok := s.update(clock, key, period, tolerance, cost)
			require.Equal(t, latest, now)
			l.leak(now)
			fits := l.missing+max(cost, 1)*period <= tolerance
			if s == large {
				require.Equal(t, cost < 0 || fits, ok, "cost %d × %d, missing %d", cost, period, l.missing)
			}
			if ok && cost > 0 {
				require.True(t, fits, "granted %d × %d, and %d of %d were missing", cost, period, l.missing, tolerance)
			}
			if ok {
				l.missing = max(l.missing+cost*period, 0)
			}
			if s == large {
				require.Equal(t, l.missing, max(tat-now, 0))
			}
			s.invariant(t)
		}
	}
}

func (s *MemoryStore) invariant(t *testing.T) {
	require.LessOrEqual(t, len(s.keys), s.maxKeys)
	require.Len(t, s.due, len(s.keys))
	for i, e := range s.due {
		require.Same(t, e, s.keys[e.key])
		require.Equal(t, i, e.at)
		require.LessOrEqual(t, e.due, e.tat)
		require.LessOrEqual(t, s.due[(i-1)/2].due, e.due)
	}
}

// TestMemoryStoreHistory is storeHistory on random bytes.
//
// Seen to catch, planted in a copy: a key that begins full while the common bucket is not;
// a key forgotten before it is full; a clock that is returned as it is; a give-back to a
// key that is not there, taken from the common bucket.
func TestMemoryStoreHistory(t *testing.T) {
	r := seed.New(t)
	for range 100 {
		data := make([]byte, 4*r.IntN(300))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		storeHistory(t, data)
	}
}

func FuzzMemoryStore(f *testing.F) {
	f.Add([]byte("\x01\x10\x00\x0e\x01\x10\x01\x0e\x01\x10\x02\x0e\x01\x10\x03\x0e\x7f\xf0\x04\x0e"))
	f.Fuzz(storeHistory)
}

func TestMemoryStoreIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemoryStore(100)
		take := func(key string) bool {
			_, _, ok, err := s.Update(context.Background(), key, 1e9, 3e9, 3)
			require.NoError(t, err)
			return ok
		}
		require.True(t, take("attacker"))
		for i := range 99 {
			require.True(t, take(fmt.Sprint("busy ", i)))
		}
		// All others have one bucket together, and nobody is forgotten for them.
		require.True(t, take("first of the others"))
		for i := range 10_000 {
			require.False(t, take(fmt.Sprint("made up ", i)))
		}
		require.False(t, take("attacker"))
		require.Equal(t, 100, s.Len())

		// Somebody who gets a bucket of his own has used what the others have.
		<-time.After(2 * time.Second)
		require.False(t, take("attacker"))
		_, _, ok, err := s.Update(context.Background(), "first of the others", 1e9, 3e9, 2)
		require.NoError(t, err)
		require.True(t, ok)
		<-time.After(time.Second)
		require.False(t, take("one of the others"))
		for i := range 99 {
			require.True(t, take(fmt.Sprint("busy ", i)), i)
		}
	})
	require.PanicsWithValue(t, "ratelimit: NewMemoryStore: 0 keys", func() { NewMemoryStore(0) })
}

// TestMemoryStoreGivenBack: a key to which all was given back is full, and makes room.
func TestMemoryStoreGivenBack(t *testing.T) {
	s := NewMemoryStore(2)
	take := func(key string, cost int64) bool {
		_, _, ok := s.update(1000, key, 100, 500, cost)
		s.invariant(t)
		return ok
	}
	require.True(t, take("a", 5))
	require.True(t, take("b", 5))
	require.True(t, take("a", -5))
	require.True(t, take("c", 5))
	require.True(t, take("b", -5))
	require.True(t, take("d", 5))
}

// TestMemoryStoreSweeps: if all keys were used since they were put where they stand in the
// heap, no Update moves all of them, and the next ones go on.
func TestMemoryStoreSweeps(t *testing.T) {
	const n = 10_000
	s := NewMemoryStore(n)
	for _, cost := range []int64{1, 10_000} {
		for i := range n {
			_, _, ok := s.update(1000, fmt.Sprint(i), 1000, 1e9, cost)
			require.True(t, ok)
		}
	}
	moved := func() (moved int) {
		for _, e := range s.due {
			if e.due > 1_000_000 {
				moved++
			}
		}
		return moved
	}
	for i := 1; i <= n/mostMoves; i++ {
		_, _, ok := s.update(5000, "new", 1000, 1e9, 1)
		require.True(t, ok)
		require.Equal(t, i*mostMoves, moved())
	}
	require.Nil(t, s.keys["new"])
	_, _, ok := s.update(20_000_000, "new", 1000, 1e9, 1)
	require.True(t, ok)
	require.NotNil(t, s.keys["new"])
	s.invariant(t)
}

// TestMemoryStoreForgets lets keys come and go: those that have not been used for a while make
// room, without a sweep that would hold up one unlucky caller.
func TestMemoryStoreForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemoryStore(1000)
		for i := range 50_000 {
			_, _, ok, err := s.Update(context.Background(), fmt.Sprint(i), 1e6, 5e6, 1)
			require.NoError(t, err)
			require.True(t, ok)
			<-time.After(100 * time.Microsecond)
		}
		require.LessOrEqual(t, s.Len(), 11)
	})
}

func TestMemoryStorePerKey(t *testing.T) {
	const n = 100_000
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := NewMemoryStore(n)
	for _, key := range keys {
		_, _, _, _ = s.Update(context.Background(), key, 1e12, 5e12, 1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Equal(t, n, s.Len())
	each := (after.HeapAlloc - before.HeapAlloc) / n
	t.Logf("%d bytes a key", each)
	require.Less(t, each, uint64(150))
	runtime.KeepAlive(keys)
}
