package cache

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// LoadConfig says how a Loading cache gets its values and how fresh it keeps
// them. One of Load and LoadMany must be set; every other zero field turns
// something off. It is a plain value: safe for concurrent use as long as nobody
// changes it.
//
// The life of a value whose Config.TTL is not zero:
//
//	loaded       RefreshAfter            TTL              TTL + StaleFor
//	  ├── served ──────┼── served; a Get ───┼── the same, for ──┼── gone: a Get
//	  │                │   starts one       │   want of a fresh │   waits for
//	  │                │   reload           │   value: "stale"  │   a load
type LoadConfig[K comparable, V any] struct {
	// Load returns the value of a key, or an error that wraps ErrNotFound if
	// there is none. Its context has the values of the one for whom it runs, but
	// ends only with LoadTimeout, or when Load has returned.
	Load func(context.Context, K) (V, error)
	// LoadMany does the same for many keys at once. Keys that its answer leaves
	// out are not found, keys that nobody asked for are ignored. If it returns an
	// error, what it returned besides counts all the same.
	LoadMany func(context.Context, []K) (map[K]V, error)

	// RefreshAfter is the age at which the next Get starts a reload; it and the
	// others are served the present value meanwhile.
	RefreshAfter time.Duration
	// StaleFor is how long after its TTL a value may be served while a reload
	// is made. After that it never is, however slow or failing the reload.
	StaleFor time.Duration
	// Beta above 0 reloads by chance before the TTL ends (see early); 1 is the
	// usual value, more is earlier. It asks how long the load took, so it leaves
	// alone what a WriteThrough or WriteBack has set.
	Beta float64
	// NegativeTTL is how long it is remembered that a key was not found. Other
	// errors are never kept.
	NegativeTTL time.Duration

	// MaxConcurrent bounds the calls of Load and LoadMany that run at once.
	MaxConcurrent int
	// LoadTimeout ends the context of a call of Load or LoadMany.
	LoadTimeout time.Duration

	// Tags of a value, by any of which InvalidateTag can find it.
	Tags func(K, V) []string
}

// ErrNotFound is what a load returns, wrapped or not, for a key that has no
// value, and what Get then returns.
var ErrNotFound = errors.New("cache: not found")

// check returns the first mistake.
func (c *LoadConfig[K, V]) check(config *Config[K, V]) error {
	bad := func(field string, value any, want string) error {
		return fmt.Errorf("%w: %s is %v, want %s", ErrConfig, field, value, want)
	}
	expires := config.TTL > 0 || config.TTLFunc != nil
	switch {
	case c.Load == nil && c.LoadMany == nil:
		return fmt.Errorf("%w: neither Load nor LoadMany is set, want a function", ErrConfig)
	case c.RefreshAfter < 0:
		return bad("RefreshAfter", c.RefreshAfter, "a positive time, or 0 for no refreshing")
	case c.RefreshAfter > 0 && config.TTLFunc == nil && config.TTL > 0 && c.RefreshAfter >= config.TTL:
		return bad("RefreshAfter", c.RefreshAfter, fmt.Sprintf("less than TTL, which is %v", config.TTL))
	case c.StaleFor < 0:
		return bad("StaleFor", c.StaleFor, "a positive time, or 0 for none")
	case c.StaleFor > 0 && !expires:
		return bad("StaleFor", c.StaleFor, "0, because without TTL and TTLFunc nothing becomes stale")
	case !(c.Beta >= 0 && c.Beta <= maxBeta): // NaN too
		return bad("Beta", c.Beta, fmt.Sprintf("0 to %d", maxBeta))
	case c.Beta > 0 && !expires:
		return bad("Beta", c.Beta, "0, because without TTL and TTLFunc nothing expires")
	case c.NegativeTTL < 0:
		return bad("NegativeTTL", c.NegativeTTL, "a positive time, or 0 to keep no misses")
	case c.MaxConcurrent < 0:
		return bad("MaxConcurrent", c.MaxConcurrent, "at least 1, or 0 for no bound")
	case c.LoadTimeout < 0:
		return bad("LoadTimeout", c.LoadTimeout, "a positive time, or 0 for none")
	}
	return nil
}
