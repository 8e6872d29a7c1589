package ratelimit

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// keyedModel is a Keyed and what it must decide: every key that there can be has a
// TokenBucket, from the beginning.
type keyedModel struct {
	t       testing.TB
	k       *Keyed[int]
	buckets []*TokenBucket
	shared  *TokenBucket // the overflow; nil: Refuse
	asked   bool         // Quota is set
	owners  map[int]bool
	base    pace
	ns      int64
	latest  int64
	back    bool // time has run backwards
}

// modelPaces are whole and odd, fast and slow, and none.
func modelPaces() []quota {
	return []quota{
		{PerSecond(10), 5}, {PerSecond(10), 9}, {PerSecond(7000), 3}, {Per(1, time.Hour), 1},
		{PerSecond(999_999_937), 1 << 40}, {Unlimited, 4}, {Per(3, time.Minute), 100},
	}
}

const modelKeys = 24

// modelQuota is the Quota of every fourth key.
func modelQuota(key int) (Limit, int64) {
	if key%4 != 3 {
		return Limit{}, 0
	}
	q := modelPaces()[key/4%len(modelPaces())]
	return q.rate, q.burst
}

func newKeyedModel(t testing.TB, config byte) *keyedModel {
	q := modelPaces()[int(config>>5)%len(modelPaces())]
	c := KeyedConfig[int]{Rate: q.rate, Burst: q.burst, MaxKeys: 1 + int(config&7)}
	m := &keyedModel{t: t, owners: map[int]bool{}, asked: config&16 != 0}
	if m.asked {
		c.Quota = modelQuota
	}
	if config&8 != 0 {
		c.WhenFull, c.OverflowRate, c.OverflowBurst = ShareOverflow, PerSecond(1), 2
		m.shared = NewTokenBucket(PerSecond(1), 2)
	}
	m.k = mustKeyed(t, c)
	m.k.hash = func(key int) uint64 { return uint64(key+1) * 0x9e3779b97f4a7c15 } // the same every time
	m.base = m.k.shards[0].base.pace
	m.ns = sinceNow(m.k.made)
	m.latest = m.ns
	for key := range modelKeys {
		b := NewTokenBucket(q.rate, q.burst)
		b.bucket.Store(&bucket{pace: m.pace(key)})
		m.buckets = append(m.buckets, b)
	}
	return m
}

// pace returns that of a key without SetQuota.
func (m *keyedModel) pace(key int) pace {
	if rate, burst := modelQuota(key); m.quoted(key) {
		return newPace("", rate, burst)
	}
	return m.base
}

// quoted reports whether Quota has one for a key.
func (m *keyedModel) quoted(key int) bool {
	_, burst := modelQuota(key)
	return m.asked && burst != 0
}

func (m *keyedModel) do(op, key, arg byte) {
	k, id := m.k, int(key)%modelKeys
	now := func() int64 { return m.ns }
	q := modelPaces()[int(arg)%len(modelPaces())]
	s := &k.shards[0]
	hash := m.hash(id)
	held := s.holds(id, hash)
	switch b := m.buckets[id]; op % 16 {
	default:
		m.take(id, int64(arg%16)-2)
	case 8:
		m.ns += int64(arg) * int64(arg) * 1e5
	case 9:
		m.ns += int64(arg) * 1e9
	case 10:
		if arg%4 == 0 { // seldom, so that it is exact for long
			m.ns -= int64(key) * 1e7
			m.back = m.back || key > 0
		}
	case 11:
		if k.Refund(id, int64(arg)%5-1); held {
			b.refund(m.ns, int64(arg)%5-1)
		}
	case 12:
		m.base = newPace("", q.rate, q.burst)
		next := m.base
		k.setLimit(&next, now)
		for id, b := range m.buckets {
			if !m.owners[id] && !m.quoted(id) {
				b.setLimit(always(m.ns), &bucket{pace: m.base})
			}
		}
	case 13:
		next := newPace("", q.rate, q.burst)
		if err := k.setQuota(id, &next, now); err != nil {
			require.ErrorIs(m.t, err, ErrNoRoom)
			require.False(m.t, held)
			m.noneEvictable()
			break
		}
		b.setLimit(always(m.ns), &bucket{pace: next})
		m.owners[id] = true
	case 14:
		require.Equal(m.t, m.owners[id], k.removeQuota(id, now))
		if m.owners[id] {
			b.setLimit(always(m.ns), &bucket{pace: m.pace(id)})
			delete(m.owners, id)
		}
	case 15:
		if k.Reset(id); held {
			b.bucket.Load().tat.Store(0)
		}
	}
	m.latest = max(m.latest, m.ns)
	m.invariant()
}

func (m *keyedModel) hash(id int) uint32 {
	_, hash := m.k.shard(id)
	return hash
}

// take compares a decision. One that differs has a reason: no room, or that time has run
// backwards, in which case it must not admit more.
func (m *keyedModel) take(id int, n int64) {
	s := &m.k.shards[0]
	held, noRoom := s.holds(id, m.hash(id)), s.noRoom
	b := m.buckets[id].bucket.Load()
	before := b.tat.Load()
	want := m.buckets[id].take(m.ns, n)
	var got Decision
	m.k.take(&got, id, m.ns, n, false)
	switch {
	case s.noRoom > noRoom:
		b.tat.Store(before)
		require.False(m.t, held)
		m.noneEvictable()
		if m.shared != nil {
			require.Equal(m.t, m.shared.take(m.ns, n), got)
			return
		}
		require.False(m.t, got.OK)
		require.Positive(m.t, got.RetryAfter)
		if n > got.Limit && !m.asked {
			require.Equal(m.t, Never, got.RetryAfter, "so many are never granted")
		} else if first := m.firstFull(); n >= 0 && first != never {
			require.LessOrEqual(m.t, int64(got.RetryAfter), first-m.ns)
		}
	case !m.back:
		require.Equal(m.t, want, got, "key %d, %d at %d", id, n, m.ns)
	case !got.OK:
		b.tat.Store(before)
	default:
		require.True(m.t, want.OK)
		require.LessOrEqual(m.t, got.Remaining, want.Remaining)
		b.tat.Store(max(b.tat.Load(), m.tat(id)))
	}
}

// tat returns that of a key, also if it is not remembered.
func (m *keyedModel) tat(id int) int64 {
	s := &m.k.shards[0]
	if _, e := s.find(id, m.hash(id)); e != nil {
		return e.tat.Load()
	}
	if p := m.pace(id); m.quoted(id) {
		return s.absent(&p, m.ns)
	}
	return s.absent(nil, m.ns)
}

// firstFull returns when the first bucket can be forgotten.
func (m *keyedModel) firstFull() int64 {
	first := int64(never)
	for e := range m.k.shards[0].all() {
		first = min(first, m.k.shards[0].fullAt(e, e.tat.Load()))
	}
	return first
}

// holds reports whether a key is in a slot.
func (t *table[K]) holds(key K, hash uint32) bool {
	_, e := t.find(key, hash)
	return e != nil
}

// all yields what is in slots.
func (t *table[K]) all() iter.Seq[*member[K]] {
	return func(yield func(*member[K]) bool) {
		slots := t.slots.Load()
		for i := range slots.members {
			if e := slots.members[i].Load(); e != nil && !yield(e) {
				return
			}
		}
	}
}

// noneEvictable checks that a key that was refused had to be.
func (m *keyedModel) noneEvictable() {
	s := &m.k.shards[0]
	require.Equal(m.t, s.most, s.used)
	require.Greater(m.t, m.firstFull(), m.ns, "refused, and there would be room")
}

// invariant checks that the table is whole, and that no key has more tokens than it should,
// remembered or not: nor fewer, if time has never run backwards.
func (m *keyedModel) invariant() {
	s := &m.k.shards[0]
	checkKeyedShard(m.t, m.k, s)
	require.Equal(m.t, len(m.owners), s.owners)
	for id, b := range m.buckets {
		p, tat := b.bucket.Load().pace, b.bucket.Load().tat.Load()
		if p.unit == 0 {
			continue
		}
		now := p.at(m.ns)
		has, should := p.room(m.tat(id), now), p.room(tat, now)
		check(m.t, has == should || m.back && has < should, "key %d at %d has %d, not %d", id, m.ns, has, should)
		if _, e := s.find(id, m.hash(id)); e != nil {
			check(m.t, p == e.tint.pace, "key %d has another pace", id)
			check(m.t, m.owners[id] == e.tint.own, "key %d: SetQuota", id)
		}
	}
}

// check is require.True, and costs nothing while all is well.
func check(t testing.TB, ok bool, format string, args ...any) {
	if !ok {
		t.Helper()
		require.FailNow(t, fmt.Sprintf(format, args...))
	}
}

// checkKeyedShard checks what must always hold of a shard.
func checkKeyedShard[K comparable](t testing.TB, k *Keyed[K], s *shard[K]) {
	t.Helper()
	require.LessOrEqual(t, s.used, s.most)
	slots := s.slots.Load()
	require.LessOrEqual(t, s.used, slots.len()*2/3)
	require.LessOrEqual(t, slots.len(), s.mostSlots())
	used, owners := 0, 0
	users := map[*tint]int{}
	for i := range slots.members {
		e, at := slots.members[i].Load(), slots.hashes[i].Load()
		if check(t, (e == nil) == (at == 0), "a slot that is free keeps something alive"); e == nil {
			continue
		}
		used++
		check(t, e.tat.Load() != closed, "%v is closed", e.key)
		for j := slots.home(at); j != i; j = slots.after(j) {
			check(t, slots.hashes[j].Load() != 0, "a gap between a key and its home")
		}
		if e.key == e.key {
			of, hash := k.shard(e.key)
			check(t, s == of && hash == at, "%v is where it does not belong", e.key)
			j, _ := s.find(e.key, hash)
			check(t, i == j, "%v is there twice", e.key)
		}
		owners += count(e.tint.own)
		if e.tint != s.base {
			users[e.tint]++
		}
		if full := s.fullAt(e, e.tat.Load()); s.used == s.most {
			check(t, full >= s.rest, "the hand rests for too long")
			check(t, slots.distance(s.hand, i) < s.left || full >= s.least, "the hand has passed one that it did not see")
		}
	}
	require.Equal(t, s.used, used)
	require.Equal(t, s.owners, owners)
	require.Zero(t, s.base.users)
	require.Len(t, s.palette, len(users))
	for of, tint := range s.palette {
		require.Equal(t, users[tint], tint.users)
		require.Equal(t, hue{quota{tint.limit, tint.burst}, tint.own}, of)
	}
}

// TestKeyedModel plays random calls. Planted and caught: an eviction a second too early, one
// that forgets that it has forgotten, one of a key that has its own quota; a SetLimit that changes
// only the keys that are remembered; a pace that stays in the palette; a drop after which the
// hand does not start again.
func TestKeyedModel(t *testing.T) {
	rng, calls := seed.New(t), 100
	if os.Getenv("PLINTH_LONG") != "" {
		calls = 1000
	}
	for config := range 256 {
		ops := make([]byte, 3*calls)
		for i := range ops {
			ops[i] = byte(rng.Uint32())
		}
		playKeyed(t, byte(config), ops)
	}
}

// FuzzKeyed lets the fuzzer choose a configuration and calls.
func FuzzKeyed(f *testing.F) {
	f.Add(byte(0x12), []byte("\x00a\x03\x00b\x03\x00c\x03\x08a\x40\x00d\x03\x0ca\x01\x0da\x02\x0ea\x01\x00a\x04"))
	f.Add(byte(0x61), []byte("\x00a\x04\x09a\x20\x00b\x04\x0af\x00\x00a\x04\x00a\x04\x0ba\x03\x0fa\x00"))
	f.Fuzz(func(t *testing.T, config byte, ops []byte) {
		playKeyed(t, config, ops[:min(len(ops), 1500)])
	})
}

func playKeyed(t testing.TB, config byte, ops []byte) {
	m := newKeyedModel(t, config)
	for i := 0; i+2 < len(ops); i += 3 {
		m.do(ops[i], ops[i+1], ops[i+2])
	}
}

// TestKeyedTable plays with a table alone, whose hashes are few and collide, and go over
// the end. Planted and caught: a remove after which nothing moves up, or not from next to it.
func TestKeyedTable(t *testing.T) {
	rng := seed.New(t)
	for _, most := range []int{1, 2, 3, 7, 40, 200} {
		var tab table[int]
		tab.init(most)
		want := map[int]uint32{}
		for range 2000 {
			key := rng.IntN(2 * most)
			hash := uint32(key%5*(math.MaxUint32/5+1)) | 1
			if key%2 == 0 {
				hash = math.MaxUint32 - uint32(key)%3*2
			}
			if i, e := tab.find(key, hash); e != nil {
				require.Contains(t, want, key)
				tab.remove(i)
				delete(want, key)
			} else if require.NotContains(t, want, key); len(want) < most {
				if tab.tight() {
					tab.grow()
				}
				i := tab.insert(&member[int]{key: key}, hash)
				require.Equal(t, key, tab.slots.Load().members[i].Load().key)
				want[key] = hash
			}
			check(t, len(want) == tab.used && tab.used <= tab.slots.Load().len()*2/3, "%d keys in %d slots", tab.used, tab.slots.Load().len())
			for key, hash := range want {
				check(t, tab.holds(key, hash), "key %d is lost", key)
			}
		}
	}
}

// TestKeyedMemory counts the bytes of a table at every size, in its long form up to a
// million keys: at most 64 for each, and the key.
func TestKeyedMemory(t *testing.T) {
	rng, most := rand.New(rand.NewPCG(1, 1)), 100_000
	if os.Getenv("PLINTH_LONG") != "" {
		most = 1_000_000
	}
	const perSlot = 4 + 8 // slots.hashes, slots.members
	key, size := unsafe.Sizeof(""), unsafe.Sizeof(member[string]{})
	require.LessOrEqual(t, size, key+16)
	var tab table[string]
	tab.init(most)
	worst, same := 0.0, &member[string]{}
	for n := 1; n <= most; n++ {
		if tab.tight() {
			tab.grow()
		}
		tab.insert(same, rng.Uint32()|1)
		if n >= fewSlots {
			worst = max(worst, float64(tab.slots.Load().len())*perSlot/float64(n)+float64(size))
		}
	}
	require.LessOrEqual(t, worst, float64(key)+43)
	require.LessOrEqual(t, worst, float64(key+64))
	require.Equal(t, most*3/2+2, tab.slots.Load().len(), "when it is full")
	t.Logf("at most %.1f bytes for each, %d of them the key", worst, key)
}

func TestKeyedConfig(t *testing.T) {
	good := KeyedConfig[string]{Rate: PerSecond(1), Burst: 1}
	for want, change := range map[string]func(*KeyedConfig[string]){
		"KeyedConfig: for Rate and Burst: no limit given":                   func(c *KeyedConfig[string]) { c.Rate = Limit{} },
		"Rate and Burst: burst or capacity of 0":                            func(c *KeyedConfig[string]) { c.Burst = 0 },
		"Rate and Burst: burst or capacity of -1":                           func(c *KeyedConfig[string]) { c.Burst = -1 },
		"MaxKeys is -1: want 1 to":                                          func(c *KeyedConfig[string]) { c.MaxKeys = -1 },
		"MaxKeys is 1073741825: want 1 to":                                  func(c *KeyedConfig[string]) { c.MaxKeys = 1<<30 + 1 },
		"WhenFull is 2: want Refuse or ShareOverflow":                       func(c *KeyedConfig[string]) { c.WhenFull = 2 },
		"OverflowRate and OverflowBurst are 1/1s and 2":                     func(c *KeyedConfig[string]) { c.OverflowRate, c.OverflowBurst = PerSecond(1), 2 },
		"OverflowRate and OverflowBurst: no limit given":                    func(c *KeyedConfig[string]) { c.OverflowBurst, c.WhenFull = 2, ShareOverflow },
		"OverflowRate and OverflowBurst: burst or capacity of 0: want 1 to": func(c *KeyedConfig[string]) { c.OverflowRate, c.WhenFull = PerSecond(1), ShareOverflow },
	} {
		c := good
		change(&c)
		_, err := NewKeyed(c)
		require.ErrorContains(t, err, want)
	}
	for _, most := range []int{1, 2, 1023, 2047, 2048, 2049, 12345, 0, 1 << 20} {
		good.MaxKeys = most
		k, sum := mustKeyed(t, good), 0
		for i := range k.shards {
			sum += k.shards[i].most
		}
		if most == 0 {
			most = 65536
		}
		require.Equal(t, most, sum)
		require.Equal(t, 64-int(k.shift), len(fmt.Sprintf("%b", len(k.shards)))-1)
	}
	k := mustKeyed(t, good)
	require.ErrorContains(t, k.SetLimit(PerSecond(1), 0), "SetLimit: burst or capacity of 0")
	require.ErrorContains(t, k.SetQuota("a", Limit{}, 1), "SetQuota of a: no limit given")
	require.Zero(t, k.Len())
}
