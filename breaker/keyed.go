package breaker

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Keyed is a Breaker for each key: for each host, shard or tenant, so that one that fails does
// not take the others with it. It makes them when they are asked for, and remembers at most
// MaxKeys. To forget one that is open would be to let its calls through again, and a crowd of new
// keys could bring that about; so such a one is never forgotten (but see ForgetAfter). It is safe for
// concurrent use.
//
// Whom to forget is what a hand finds that goes around as on a clock (Corbató 1968), one round
// being a second chance for who was asked for since the last:
//
//	┌──▶ · ──▶ ✓ ──▶ o ──▶ ✗ ──▶ · ──┐       ✓ asked for since the hand was here
//	│                ▲               │       ✗ counts failures
//	└─ · ◀── o ◀── ✓ │ ◀── · ◀── ✓ ◀─┘       o open, half-open, forced or disabled
//	                 hand                    · none of these: this one goes
//
// It looks at 64 breakers at most for a new key. If there is no "·" among them the best of
// the others goes that is no "o", and if there is none the new key gets ErrNoRoom. So a crowd of new
// keys costs the same for each of them, however many are remembered, and those that come once
// forget each other, and not those that come again and again.
//
// Concurrency. The lookup of a key that is remembered holds mu to read, and sets a flag that
// mostly is set already. (A sync.Map, which has no lock, was not better on two processors: a few ns
// faster for eight keys, and half as fast for thousands; see BenchmarkGet.) Whatever is new holds mu
// to write. Under it runs no code of a user's: a breaker is judged by its period and what its rule
// has counted, and not by State, which makes the changes that are due and tells hooks. One that opens
// right after it was judged is forgotten all the same. Who holds a *Breaker that was forgotten goes
// on using it, beside the next one of that key.
type Keyed[K comparable] struct {
	// Immutable.
	maxKeys     int
	make        func(K) Config
	forgetAfter time.Duration

	mu      sync.RWMutex
	entries map[K]*entry[K] // guarded by mu
	ring    []*entry[K]     // all of them; guarded by mu
	hand    int             // what it looks at next; guarded by mu
	evicted uint64          // guarded by mu
	refused uint64          // guarded by mu
}

// entry is a key that is remembered.
type entry[K comparable] struct {
	key     K           // immutable
	breaker *Breaker    // immutable
	asked   atomic.Bool // since the hand was here; atomic
	since   time.Time   // nobody has asked, unless asked is set; guarded by mu
}

// KeyedConfig says what a Keyed does. The zero KeyedConfig is a good one; every zero field means
// what its comment says. It is a plain value: it is safe for concurrent use as long as nobody
// changes it.
type KeyedConfig[K comparable] struct {
	// MaxKeys bounds how many keys are remembered: 10,000.
	MaxKeys int

	// Make returns the configuration of a key: the zero Config for all. It is called when a key comes
	// that is not remembered, under no lock: it may use the Keyed, but not for the same key. If
	// a key comes several times at once it may be called as often; the first breaker
	// that is made is that of all.
	Make func(K) Config

	// ForgetAfter is how long nobody must have asked for a key so that its breaker may be
	// forgotten although it is open, with its delay over, or half-open: 0 is never. Without
	// it, keys that failed when they were last used, and are never used again, hold their
	// room for ever: set it if strangers choose the keys. Much longer than MaxOpenFor is
	// right. One that is forced open or disabled stays in any case.
	ForgetAfter time.Duration
}

const (
	defaultMaxKeys = 10_000
	mostKeys       = 1 << 30
	mostLooks      = 64 // for a new key
)

// ErrNoRoom says that a Keyed has no room for one more key: the breakers that it looked at are not
// closed.
var ErrNoRoom error = refusal("breaker: no room for another key")

// NewKeyed returns one without keys. What is wrong with the configuration is an error.
func NewKeyed[K comparable](c KeyedConfig[K]) (*Keyed[K], error) {
	switch {
	case c.MaxKeys < 0 || c.MaxKeys > mostKeys:
		return nil, fmt.Errorf("breaker: NewKeyed: a MaxKeys of %d: want 1 to %d", c.MaxKeys, mostKeys)
	case c.ForgetAfter < 0:
		return nil, fmt.Errorf("breaker: NewKeyed: a ForgetAfter of %v: want a positive time", c.ForgetAfter)
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = defaultMaxKeys
	}
	if c.Make == nil {
		c.Make = func(K) Config { return Config{} }
	}
	return &Keyed[K]{
		maxKeys: c.MaxKeys, make: c.Make, forgetAfter: c.ForgetAfter,
		entries: make(map[K]*entry[K]),
	}, nil
}

// Get returns the breaker of a key, and makes it if there is none. The error is ErrNoRoom, or says
// what is wrong with the Config that Make returned, or that the key is none because it does
// not equal itself (NaN). A key of an interface type whose value cannot be compared panics.
func (k *Keyed[K]) Get(key K) (*Breaker, error) {
	if key != key { // it would never be found again; and what panics, panics here, under no lock
		return nil, fmt.Errorf("breaker: Keyed: the key %v does not equal itself", key)
	}
	k.mu.RLock()
	e := k.entries[key]
	k.mu.RUnlock()
	if e != nil {
		return e.get(), nil
	}
	b, err := New(k.make(key))
	if err != nil {
		return nil, fmt.Errorf("breaker: Keyed: Make of %q: %w", fmt.Sprint(key), err)
	}
	return k.add(key, b)
}

// DoKey is Do with the breaker of a key: f is not called if that is open, or if there is none, for which the
// errors are those of Get. A call whose ctx has ended makes no breaker either, and returns the error
// of ctx. (It is no method, because a method cannot have a T of its own.)
func DoKey[K comparable, T any](
	ctx context.Context, k *Keyed[K], key K, f func(context.Context) (T, error),
) (result T, err error) {
	if f == nil {
		panic("breaker: DoKey: a nil function")
	}
	b, err := k.breaker(ctx, key)
	if err != nil {
		return result, err
	}
	return Do(ctx, b, f)
}

// Run is DoKey without a result.
func (k *Keyed[K]) Run(ctx context.Context, key K, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Keyed.Run: a nil function")
	}
	b, err := k.breaker(ctx, key)
	if err != nil {
		return err
	}
	return b.Run(ctx, f)
}

// breaker is Get, unless the context has ended.
func (k *Keyed[K]) breaker(ctx context.Context, key K) (*Breaker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return k.Get(key)
}

func (e *entry[K]) get() *Breaker {
	if !e.asked.Load() {
		e.asked.Store(true)
	}
	return e.breaker
}

// add remembers the breaker of a key, unless somebody was faster.
func (k *Keyed[K]) add(key K, b *Breaker) (*Breaker, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.entries[key]; e != nil {
		return e.get(), nil
	}
	e := &entry[K]{key: key, breaker: b, since: b.made}
	if len(k.ring) < k.maxKeys {
		k.ring = append(k.ring, e)
	} else {
		place := k.find(time.Now())
		if place < 0 {
			k.refused++
			return nil, ErrNoRoom
		}
		delete(k.entries, k.ring[place].key)
		k.ring[place] = e
		k.evicted++
	}
	k.entries[key] = e
	return b, nil
}

// rank is how bad it would be to forget a breaker.
type rank int

const (
	idle        rank = iota // closed, not asked for, counts no failures
	usedLately              // closed, asked for, counts no failures
	abandoned               // not closed, and ForgetAfter says that it may be forgotten
	idleFailing             // closed, not asked for, counts failures
	usedFailing             // closed, asked for, counts failures
	needed                  // not to be forgotten
)

// find moves the hand, and returns the place of the breaker to forget: the first one that is
// idle, or else the best of what it has seen; -1 if all are needed. It may see a breaker a second
// time, for its second chance, if there are few.
func (k *Keyed[K]) find(now time.Time) (place int) {
	best, place := needed, -1
	for range min(mostLooks, 2*len(k.ring)) {
		here := k.hand
		k.hand = (k.hand + 1) % len(k.ring)
		if r := k.judge(k.ring[here], now); r < best {
			best, place = r, here
		}
		if best == idle {
			break
		}
	}
	return place
}

// judge ranks a breaker, and takes its second chance from it.
func (k *Keyed[K]) judge(e *entry[K], now time.Time) rank {
	asked := e.asked.Swap(false)
	if asked {
		e.since = now
	}
	at := int64(now.Sub(e.breaker.made))
	p := e.breaker.period.Load()
	switch p.state {
	case Closed:
		c := p.rule.counts(at)
		switch failed := c.Failures+c.Slow > 0; {
		case failed && asked:
			return usedFailing
		case failed:
			return idleFailing
		case asked:
			return usedLately
		}
		return idle
	case Open, HalfOpen: // until is 0 if it is half-open
		if k.forgetAfter > 0 && now.Sub(e.since) >= k.forgetAfter && at >= p.until {
			return abandoned
		}
	}
	return needed
}

// All yields the keys that are remembered and their breakers, as they were at one moment, in no
// particular order. It holds no lock while it yields, and does not count as asking.
func (k *Keyed[K]) All() iter.Seq2[K, *Breaker] {
	return func(yield func(K, *Breaker) bool) {
		k.mu.RLock()
		all := slices.Clone(k.ring)
		k.mu.RUnlock()
		for _, e := range all {
			if !yield(e.key, e.breaker) {
				return
			}
		}
	}
}

// Len returns how many keys are remembered.
func (k *Keyed[K]) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.ring)
}

// KeyedStats are what a Keyed has counted since it was made. It is a plain value, a copy: safe for
// concurrent use as long as nobody changes it. Its fields have names for JSON, so that expvar
// can publish it.
type KeyedStats struct {
	Keys    int    `json:"keys"`    // remembered at the moment
	Evicted uint64 `json:"evicted"` // forgotten for others
	Refused uint64 `json:"refused"` // times that there was no room
}

// Stats returns the counts.
func (k *Keyed[K]) Stats() KeyedStats {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return KeyedStats{Keys: len(k.ring), Evicted: k.evicted, Refused: k.refused}
}

// LogValue makes a group of it in a slog record.
func (s KeyedStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("keys", s.Keys),
		slog.Uint64("evicted", s.Evicted),
		slog.Uint64("refused", s.Refused),
	)
}
