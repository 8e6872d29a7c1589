package cache

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Config says what a Cache may hold and for how long. At least one of
// MaxEntries and MaxCost must be set; every other zero field means what its
// comment says. A Config is a plain value: it is safe for concurrent use as
// long as nobody changes it.
type Config[K comparable, V any] struct {
	// MaxEntries bounds the number of entries; 0 does not. Without a bound on
	// the cost, they are spread over one shard per 1,024 entries, at most 64.
	MaxEntries int

	// MaxCost bounds the sum of what Cost returns; 0 does not. A value that
	// costs more than the bound of its shard is not kept: see Set.
	MaxCost int64
	// Cost of an entry, such as its bytes. It goes with MaxCost. An entry that
	// costs nothing takes no room, but may still have to go when others need it; if
	// there can be many of those, set MaxEntries too. A negative cost is a mistake
	// that panics.
	Cost func(K, V) int64

	// TTL is how long a value is returned after it was set; 0 is for ever.
	TTL time.Duration
	// TTLFunc overrides TTL for each value. Forever keeps the value; at zero
	// and below it counts as expired already.
	TTLFunc func(K, V) time.Duration
	// IdleTTL is how long a value is returned after its last Get, Set or
	// GetOrSet, within the time that TTL and TTLFunc allow; 0 is for ever. It may
	// end earlier by a 64th or by a millisecond, whichever is less: a use that
	// would prolong it by no more than that is not noted.
	IdleTTL time.Duration
	// Jitter shortens each TTL by a random part of it, up to this fraction
	// (0 to 1), so that what was set together does not expire together.
	Jitter float64

	// OnEvict is told every value that leaves the cache, exactly once, on the
	// goroutine that made it leave, before that call returns. It runs outside
	// all locks: it may use the cache, and it slows only that caller.
	OnEvict func(K, V, Reason)

	// Shards is the number of parts with a lock of their own for writers (a
	// reader takes none); it is rounded up to a power of two. 0 chooses: see
	// MaxEntries. With MaxCost it chooses one, because each shard holds only
	// its part of the bound: with four, no entry may cost over a quarter of it.
	Shards int

	// Stats turns on the counting of hits and misses, some ns for each Get.
	Stats bool

	// Hash replaces the hash function, for simulations that must repeat. It may be
	// called under locks, so it must not use the cache, nor panic. The
	// default is seeded for each cache, so that nobody who chooses the keys can
	// make them collide.
	Hash func(K) uint64
	// Seed of the policy's chance: the rare admission of an unpopular entry. 0
	// takes a random one.
	Seed uint64
}

// Forever as a TTL keeps a value until something else removes it.
const Forever time.Duration = math.MaxInt64

// ErrConfig is wrapped by every error about a Config or a new size.
var ErrConfig = errors.New("cache: bad configuration")

// Reason says why a value left the cache. It is safe for concurrent use.
type Reason uint8

const (
	Capacity Reason = iota // something else needed the room
	Expired                // its time was over
	Replaced               // its key was set again
	Deleted                // Delete, Compute or Clear removed it
	reasons                // how many there are
)

func (r Reason) String() string {
	switch r {
	case Capacity:
		return "capacity"
	case Expired:
		return "expired"
	case Replaced:
		return "replaced"
	case Deleted:
		return "deleted"
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

const (
	mostCost        = math.MaxInt64 / 4 // so that no sum of costs overflows
	entriesPerShard = 1024              // fewer, and each shard's policy learns from too little
	maxAutoShards   = 64
)

// check returns the first mistake.
func (c *Config[K, V]) check() error {
	bad := func(field string, value any, want string) error {
		return fmt.Errorf("%w: %s is %v, want %s", ErrConfig, field, value, want)
	}
	switch {
	case c.MaxEntries < 0:
		return bad("MaxEntries", c.MaxEntries, "at least 1, or 0 for no bound")
	case c.MaxCost < 0:
		return bad("MaxCost", c.MaxCost, "at least 1, or 0 for no bound")
	case c.MaxEntries == 0 && c.MaxCost == 0:
		return fmt.Errorf("%w: neither MaxEntries nor MaxCost is set, want a bound", ErrConfig)
	case c.MaxCost > mostCost:
		return bad("MaxCost", c.MaxCost, fmt.Sprintf("at most %d", int64(mostCost)))
	case c.MaxCost > 0 && c.Cost == nil:
		return fmt.Errorf("%w: MaxCost is %d but Cost is nil, want a function", ErrConfig, c.MaxCost)
	case c.MaxCost == 0 && c.Cost != nil:
		return fmt.Errorf("%w: Cost is set but MaxCost is 0, want a bound", ErrConfig)
	case c.TTL < 0:
		return bad("TTL", c.TTL, "a positive time, or 0 for no expiry")
	case c.IdleTTL < 0:
		return bad("IdleTTL", c.IdleTTL, "a positive time, or 0 for no expiry")
	case !(c.Jitter >= 0 && c.Jitter <= 1): // NaN too
		return bad("Jitter", c.Jitter, "0 to 1")
	case c.Shards < 0:
		return bad("Shards", c.Shards, "at least 1, or 0 to choose")
	case c.MaxEntries > 0 && c.Shards > 0 && shardsFor(c.Shards) > c.MaxEntries:
		return bad("Shards", c.Shards, fmt.Sprintf("at most MaxEntries, which is %d", c.MaxEntries))
	case c.MaxCost > 0 && c.Shards > 0 && int64(shardsFor(c.Shards)) > c.MaxCost:
		return bad("Shards", c.Shards, fmt.Sprintf("at most MaxCost, which is %d", c.MaxCost))
	case c.Shards > 1<<16:
		return bad("Shards", c.Shards, "at most 65536")
	}
	return nil
}

// shards returns how many there will be: a power of two.
func (c *Config[K, V]) shards() int {
	switch {
	case c.Shards > 0:
		return shardsFor(c.Shards)
	case c.MaxCost > 0:
		return 1
	}
	n := 1
	for n < maxAutoShards && 2*n*entriesPerShard <= c.MaxEntries {
		n *= 2
	}
	return n
}

// shardsFor rounds up to a power of two.
func shardsFor(want int) int {
	n := 1
	for n < want && n < 1<<20 {
		n *= 2
	}
	return n
}

// seed returns the seed of chance.
func (c *Config[K, V]) seed() uint64 {
	if c.Seed != 0 {
		return c.Seed
	}
	return rand.Uint64()
}
