package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrStore says that a Store has not answered, or not as a Store does.
var ErrStore = errors.New("ratelimit: store failed")

// ErrClosed says that a Distributed was closed.
var ErrClosed = errors.New("ratelimit: closed")

// FailMode is what a Distributed decides when the store has failed.
type FailMode uint8

const (
	// FailClosed refuses: nobody is admitted whom the store has not counted. It is the
	// default because every bound of this package holds with it, but what it protects
	// is then no more available than the store.
	FailClosed FailMode = iota

	// FailOpen admits, without any bound.
	FailOpen
)

// DistributedConfig is the configuration of a Distributed. It is a value and is safe for
// concurrent use.
type DistributedConfig struct {
	// Rate and Burst are those of each key, on all machines together, and must be the
	// same on all. The store counts an event as a whole number of nanoseconds, and it is
	// rounded up: the rate is never too high. It is too low by at most a millionth up to
	// 1,000 events a second, and by at most a thousandth up to 1,000,000; faster ones
	// are refused, unless from event to event it is a whole number of nanoseconds: then
	// a rate is exact. Burst times that number is at most 2^62.
	Rate  Limit
	Burst int64

	// Lease is how many events of a key are taken in one round trip, to be handed out
	// here without asking: from 1 to Burst, or 0, which asks for each decision. More
	// than Burst divided by the number of machines lets one of them have all.
	Lease int64

	// LeaseTime is how long an event may be held before it expires unused, and how long a
	// refusal may be remembered: at least Timeout. 1 s if 0.
	LeaseTime time.Duration

	// MaxLeases is how many keys are remembered, at least 2: 65,536 if 0. What is held of
	// one that is forgotten has expired.
	MaxLeases int

	// Timeout is how long a decision may wait for the store: 100 ms if 0.
	Timeout time.Duration

	// Retry is for how long a store that has failed is not asked again: 100 ms if 0. Then
	// one caller tries, and the others go on as if it failed until it has not.
	Retry time.Duration

	// MaxCalls is how many calls of the store there are at once: 256 if 0. One that does
	// not return counts until it does.
	MaxCalls int

	// MaxSkew is by how much the store's clock may jump, compared with ours: 1 s if 0.
	MaxSkew time.Duration

	// Fail is what is decided when the store has failed: FailClosed if 0.
	Fail FailMode
}

// Distributed is a token bucket for each key that many machines share by a Store. It is
// safe for concurrent use.
//
// Of each key, the store grants at most burst + rate × W events within any time W, on all
// machines together. With leases, at most
//
//	burst + rate × (W + LeaseTime)
//
// are admitted, because what is used within W was taken from the store within W or not more
// than LeaseTime before. (Without, it is Timeout in place of LeaseTime: an answer may be so long
// on its way.) What leases cost besides is accuracy: what one machine holds, up to Lease events
// of a key, the others do not get, and what it does not use within LeaseTime nobody gets.
// While a key has none left, each new one costs each machine that wants it a round trip, one
// at a time; what is refused costs none, as a refusal says until when it holds.
//
// Not every store is right. Each answer is checked; one that cannot be is a failure, and
// grants nothing. The clock of the store must keep pace with ours, within MaxSkew and a
// thousandth: one that does not is a failure as well, but only once. Then it is believed,
// as a store that has moved to another machine must be. So if the clock lies, W in the bounds
// is longer by a thousandth, 2 × MaxSkew and 2 × Timeout. And each such failure may admit one
// more burst, and makes W longer by MaxSkew and Timeout again, as what its clock may gain
// unnoticed begins anew. A store that forgets what it has granted is not found out.
//
// Nothing runs in the background. A call of the store has a goroutine of its own, so that
// a store which hangs holds up nobody (trip.go).
type Distributed struct {
	// Immutable.
	store             Store
	config            DistributedConfig // with defaults
	period, tolerance int64             // what the store is told
	made              time.Time
	slots             chan struct{} // a token for each call of the store
	ended             sync.Once     // Close

	mu sync.Mutex
	// Guarded by mu.
	closed bool
	health health
	clock  farClock
	leases leases
}

// NewDistributed returns one, or an error that says what is wrong with the configuration.
func NewDistributed(store Store, config DistributedConfig) (*Distributed, error) {
	if store == nil {
		return nil, errors.New("ratelimit: NewDistributed: a nil store")
	}
	period, err := config.check()
	if err != nil {
		return nil, fmt.Errorf("ratelimit: NewDistributed: %w", err)
	}
	d := &Distributed{
		store: store, config: config, period: period, tolerance: config.Burst * period,
		made:  time.Now(),
		slots: make(chan struct{}, config.MaxCalls),
	}
	d.leases.most = config.MaxLeases
	return d, nil
}

// check sets defaults and returns what an event counts in the store; 0 if Unlimited.
func (c *DistributedConfig) check() (period int64, err error) {
	c.LeaseTime = cmp.Or(c.LeaseTime, time.Second)
	c.Timeout = cmp.Or(c.Timeout, 100*time.Millisecond)
	c.Retry = cmp.Or(c.Retry, 100*time.Millisecond)
	c.MaxSkew = cmp.Or(c.MaxSkew, time.Second)
	c.MaxLeases = cmp.Or(c.MaxLeases, 1<<16)
	c.MaxCalls = cmp.Or(c.MaxCalls, 256)
	for _, d := range []time.Duration{c.LeaseTime, c.Timeout, c.Retry, c.MaxSkew} {
		if d < 0 || d > maxPatience {
			return 0, fmt.Errorf("LeaseTime, Timeout, Retry, MaxSkew of %v, %v, %v, %v: want 0 to %v each", c.LeaseTime, c.Timeout, c.Retry, c.MaxSkew, maxPatience)
		}
	}
	if err := c.Rate.check(); err != nil {
		return 0, err
	}
	switch {
	case c.Burst < 1 || c.Burst > maxUnits:
		return 0, fmt.Errorf("burst of %d: want 1 to 2^62", c.Burst)
	case c.Lease < 0 || c.Lease > c.Burst:
		return 0, fmt.Errorf("lease of %d: want 0 to the burst of %d", c.Lease, c.Burst)
	case c.Lease > 0 && c.LeaseTime < c.Timeout:
		return 0, fmt.Errorf("LeaseTime of %v: want at least the Timeout of %v", c.LeaseTime, c.Timeout)
	case c.MaxLeases < 2:
		return 0, fmt.Errorf("MaxLeases of %d: want 0 or at least 2", c.MaxLeases)
	case c.MaxCalls < 1:
		return 0, fmt.Errorf("MaxCalls of %d: want at least 0", c.MaxCalls)
	case c.Fail > FailOpen:
		return 0, fmt.Errorf("fail mode %d: want FailClosed or FailOpen", c.Fail)
	case c.Rate == Unlimited:
		return 0, nil
	}
	return c.period()
}

const (
	maxPatience = 365 * 24 * time.Hour
	coarse      = 1000 // nanoseconds from event to event, below which rounding them up is more than a thousandth
)

// period returns the time from event to event, rounded up.
func (c *DistributedConfig) period() (int64, error) {
	n, d := c.Rate.n, int64(c.Rate.d)
	period := d / n
	if d%n != 0 {
		if period < coarse {
			return 0, fmt.Errorf("%v: an event counts more than %d ns and less than %d, which a store cannot count", c.Rate, period, period+1)
		}
		period++
	}
	if period > maxUnits || c.Burst > maxUnits/period {
		return 0, fmt.Errorf("%v with a burst of %d: a bucket takes more than 2^62 ns to fill, which a store cannot count", c.Rate, c.Burst)
	}
	return period, nil
}

// Allow takes an event of a key, if there is one: it is Take(ctx, key, 1).
func (d *Distributed) Allow(ctx context.Context, key string) (bool, error) {
	decision, err := d.Take(ctx, key, 1)
	return decision.OK, err
}

// Take decides about n events of a key (see Limiter), at Timeout at the latest. When n is
// negative or above the burst, the store is not asked: only Limit and RetryAfter say
// something.
//
// When the store has failed, Decision.OK is what Fail says, and the error, which wraps
// ErrStore, tells why: so go by OK, and report the error. If the context ends it is not OK,
// and the error is that of the context. What the store grants later than that is lost, until
// time has given it back.
func (d *Distributed) Take(ctx context.Context, key string, n int64) (Decision, error) {
	switch {
	case ctx.Err() != nil:
		return Decision{Limit: d.config.Burst}, ctx.Err()
	case d.period == 0:
		return unlimited(n), nil
	case n < 0 || n > d.config.Burst:
		return Decision{Limit: d.config.Burst, RetryAfter: Never}, nil
	case d.config.Lease > 0:
		return d.takeLeased(ctx, key, n)
	}
	return d.takeDirect(ctx, key, n)
}

// takeDirect asks the store.
func (d *Distributed) takeDirect(ctx context.Context, key string, n int64) (Decision, error) {
	d.mu.Lock()
	t, err := d.begin(ctx, key, n, nil)
	d.mu.Unlock()
	if err == nil {
		err = d.finish(ctx, t)
	}
	if err != nil {
		return d.failed(err)
	}
	decision := d.describe(t.missing, 0)
	if decision.OK = t.ok; !t.ok {
		decision.RetryAfter = d.retry(t.missing, n)
	}
	return decision, nil
}

// Refund gives back n events of a key that were taken and did not happen, as far as there
// is something missing. It should follow soon: what time has given back meanwhile is given
// back again, so that the bound is larger by rate × that time. If the store has failed, the
// error wraps ErrStore.
func (d *Distributed) Refund(ctx context.Context, key string, n int64) error {
	if err := ctx.Err(); err != nil || n <= 0 || d.period == 0 {
		return err
	}
	d.mu.Lock()
	t, err := d.begin(ctx, key, -min(n, d.config.Burst), nil)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.finish(ctx, t)
}

// Close ends it, and waits for the calls of the store that are under way: as long as the
// store does not return. From then on the store is not asked, and whoever would have to gets
// ErrClosed; what is held in leases may still be taken. It always returns nil.
func (d *Distributed) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.ended.Do(func() {
		for range cap(d.slots) { // a call gives its slot back when it has returned
			d.slots <- struct{}{}
		}
	})
	return nil
}

// describe returns what a bucket has in which so much is missing, and of which so much is
// held here.
func (d *Distributed) describe(missing, held int64) Decision {
	left := min(max(d.tolerance-missing, 0)/d.period, d.config.Burst)
	return Decision{
		Limit:      d.config.Burst,
		Remaining:  left + min(held, d.config.Burst-left), // if the store lies, the sum might wrap
		ResetAfter: time.Duration(missing),
	}
}

// retry returns how long it takes until there is room for n events, below 0 if there is
// more; 0 means one. Neither sum wraps: missing and tolerance are at most 2^62.
func (d *Distributed) retry(missing, n int64) time.Duration {
	return time.Duration(missing - (d.tolerance - max(n, 1)*d.period))
}

// failed returns the decision when there is no answer.
func (d *Distributed) failed(err error) (Decision, error) {
	decision := Decision{Limit: d.config.Burst}
	if !errors.Is(err, ErrStore) { // the caller has gone
		return decision, err
	}
	if d.config.Fail == FailOpen {
		decision.OK = true
		return decision, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if decision.RetryAfter = d.health.until - d.now(); decision.RetryAfter <= 0 {
		decision.RetryAfter = d.config.Retry
	}
	return decision, err
}

// now is our clock.
func (d *Distributed) now() time.Duration { return time.Since(d.made) }
