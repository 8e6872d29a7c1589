package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// TransportConfig says how a Transport behaves. Its functions are called for many requests
// at once. It is not safe for concurrent use while it is changed; a Transport has a copy.
type TransportConfig struct {
	// Base sends the requests. nil: http.DefaultTransport.
	Base http.RoundTripper

	// Limiter is waited for before each attempt, so that the server need not refuse: a
	// TokenBucket or a LeakyQueue. nil: none.
	Limiter interface {
		Wait(ctx context.Context, n int64) error
	}

	// MaxAttempts is how often a request is sent at most. 0: 3. 1: it is never retried.
	MaxAttempts int

	// MaxWait is how long is waited at most because a server asks for it, each time, and not
	// counting Jitter. If it asks for more, its answer is handed to the caller, and other
	// requests to the same host (Scope) wait for MaxWait. 0: 30 seconds.
	MaxWait time.Duration

	// Backoff is waited after a 429 that does not say how long to wait, and twice as much
	// the next time. 0: 1 second.
	Backoff time.Duration

	// Jitter is added to each wait, at random: up to so much of it. 0: 0.1. Negative: none.
	Jitter float64

	// Seed of the jitter. 0: a random one, so that not all clients come back together.
	Seed uint64

	// RetryPercent is how many retries there may be for 100 requests, RetryMinimum how many
	// there may be besides, and RetryBurst how many are saved up. When everything is
	// refused, that is all that is added to the load. 0: 10 percent, 1 a second, and 10.
	// RetryPercent negative: none. RetryMinimum Unlimited: no budget.
	RetryPercent int64
	RetryMinimum Limit
	RetryBurst   int64

	// Scope says which requests are held back together when a server has asked one of
	// them to wait. "": it is held back for no other, and holds back no other. nil: all that
	// go to a host.
	Scope func(r *http.Request) string

	// Anticipate holds requests back as soon as a RateLimit field says that nothing is
	// left, although nothing was refused. The time that it tells may be longer than needed.
	Anticipate bool
}

// Transport sends requests and honours what servers say about their limits: status 429,
// and 503 with a Retry-After. It waits, and sends the request again, if it may:
//
//	status   method                              body
//	429      any: the server has done nothing    none, or there is a GetBody
//	503      an idempotent one, or the header    none, or there is a GetBody
//	         has an Idempotency-Key
//
// Otherwise it hands the answer to the caller, at once: also if the time to come again is
// after the request's deadline or longer than MaxWait, if there were MaxAttempts, and if
// the budget for retries is used up.
//
// Other requests to the same host (Scope) wait, too, until the time has come. If that is after
// the deadline of one of them, it fails at once with context.DeadlineExceeded.
//
// It is safe for concurrent use. It starts no goroutine, and does not change requests.
type Transport struct {
	config TransportConfig // immutable
	budget *TokenBucket    // a retry costs 100, and a request gives back RetryPercent
	gate   gate

	mu   sync.Mutex
	rand *rand.Rand // guarded by mu
}

const retryCost = 100 // of the budget

// NewTransport returns one. It returns an error if the configuration is impossible.
func NewTransport(config TransportConfig) (*Transport, error) {
	c := config
	if c.Base == nil {
		c.Base = http.DefaultTransport
	}
	c.MaxAttempts = orDefault(c.MaxAttempts, 3)
	c.MaxWait = orDefault(c.MaxWait, 30*time.Second)
	c.Backoff = orDefault(c.Backoff, time.Second)
	c.Jitter = max(orDefault(c.Jitter, 0.1), 0)
	c.Seed = orDefault(c.Seed, rand.Uint64())
	c.RetryPercent = max(orDefault(c.RetryPercent, 10), 0)
	c.RetryMinimum = orDefault(c.RetryMinimum, PerSecond(1))
	c.RetryBurst = orDefault(c.RetryBurst, 10)
	if c.Scope == nil {
		c.Scope = scopeHost
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("ratelimit: NewTransport: %w", err)
	}
	minimum := c.RetryMinimum
	if minimum != Unlimited {
		minimum.n *= retryCost
	}
	return &Transport{
		config: c,
		budget: NewTokenBucket(minimum, c.RetryBurst*retryCost),
		rand:   rand.New(rand.NewPCG(c.Seed, 0)),
	}, nil
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (c *TransportConfig) check() error {
	switch {
	case c.Limiter != nil && isNil(c.Limiter):
		return errors.New("a nil Limiter")
	case c.MaxAttempts < 0:
		return fmt.Errorf("a MaxAttempts of %d", c.MaxAttempts)
	case c.MaxWait < 0 || c.MaxWait > 365*24*time.Hour:
		return fmt.Errorf("a MaxWait of %v: want at most a year", c.MaxWait)
	case c.Backoff < 0:
		return fmt.Errorf("a Backoff of %v", c.Backoff)
	case !(c.Jitter <= 10): // or no number
		return fmt.Errorf("a Jitter of %v: want at most 10", c.Jitter)
	case c.RetryPercent > 100*100:
		return fmt.Errorf("a RetryPercent of %d: want at most 10000", c.RetryPercent)
	case c.RetryBurst < 0 || c.RetryBurst > 1e9:
		return fmt.Errorf("a RetryBurst of %d: want at most 10^9", c.RetryBurst)
	case c.RetryMinimum != Unlimited && c.RetryMinimum.n > int64(c.RetryMinimum.d)/retryCost:
		return fmt.Errorf("a RetryMinimum of %v: want at most 10^7 a second", c.RetryMinimum)
	}
	return c.RetryMinimum.check()
}

func scopeHost(r *http.Request) string {
	if r.URL == nil {
		return "" // Base will say so
	}
	return strings.ToLower(r.URL.Host)
}

// RoundTrip sends a request, if need be more than once (see http.RoundTripper).
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	scope := t.config.Scope(r)
	t.budget.Refund(t.config.RetryPercent)
	out := r
	for attempt := 1; ; attempt++ {
		if err := t.turn(r.Context(), scope); err != nil {
			if out.Body != nil {
				_ = out.Body.Close() // which nobody has read
			}
			return nil, err
		}
		response, err := t.config.Base.RoundTrip(out)
		if err != nil || response == nil {
			return response, err
		}
		wait, again := t.listen(response, scope, attempt)
		if !again || !t.mayRetry(r, response.StatusCode, attempt, wait) {
			return response, nil
		}
		next, err := rewind(r)
		if err != nil {
			return response, nil // the caller can do more with it than with the error
		}
		end := time.Now().Add(wait)
		drain(response)
		if !sleepContext(r.Context(), time.Until(end)) {
			if next.Body != nil {
				_ = next.Body.Close()
			}
			return nil, r.Context().Err()
		}
		out = next
	}
}

// CloseIdleConnections closes those of Base, for http.Client.CloseIdleConnections.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.config.Base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// turn waits until the gate is open, though no longer than MaxWait, and then for the
// limiter. If the gate was closed meanwhile it does so again: what the limiter has let through
// is lost, but those whom the gate held back would all go at once if they kept it.
func (t *Transport) turn(ctx context.Context, scope string) error {
	patience, limited := t.config.MaxWait, t.config.Limiter == nil
	for {
		wait := min(t.gate.closedFor(scope), patience)
		switch {
		case wait <= 0 && limited:
			return ctx.Err()
		case wait <= 0:
			if err := t.config.Limiter.Wait(ctx, 1); err != nil {
				return err
			}
			limited = true
			continue
		}
		patience -= wait
		wait = t.jitter(wait)
		if late(ctx, wait) {
			return fmt.Errorf("ratelimit: Transport: %s is held back for %v: %w", scope, wait, context.DeadlineExceeded)
		}
		if !sleepContext(ctx, wait) {
			return ctx.Err()
		}
		limited = t.config.Limiter == nil
	}
}

// listen returns how long to wait before the request is sent again, if the server wants
// that, and closes the gate for as long. A wait that the server did not ask for closes
// nothing.
func (t *Transport) listen(response *http.Response, scope string, attempt int) (wait time.Duration, again bool) {
	refused := response.StatusCode == http.StatusTooManyRequests
	if !refused && response.StatusCode != http.StatusServiceUnavailable {
		t.anticipate(response, scope)
		return 0, false
	}
	asked, told := readRetryAfter(response.Header, time.Now())
	if !told && refused {
		asked, _, told = readRateLimit(response.Header)
		told = told && asked > 0
	}
	switch {
	case told:
		t.gate.close(scope, min(asked, t.config.MaxWait))
	case refused:
		asked = t.config.backoff(attempt)
	default:
		return 0, false
	}
	if asked > t.config.MaxWait {
		return Never, true
	}
	return t.jitter(asked), true
}

func (t *Transport) anticipate(response *http.Response, scope string) {
	if !t.config.Anticipate {
		return
	}
	if wait, empty, _ := readRateLimit(response.Header); empty {
		t.gate.close(scope, min(wait, t.config.MaxWait))
	}
}

func (c *TransportConfig) backoff(attempt int) time.Duration {
	shift := min(attempt-1, 30)
	if c.Backoff > c.MaxWait>>shift {
		return c.MaxWait
	}
	return c.Backoff << shift
}

// mayRetry asks the budget last, which costs something.
func (t *Transport) mayRetry(r *http.Request, status, attempt int, wait time.Duration) bool {
	switch {
	case attempt >= t.config.MaxAttempts, wait == Never, late(r.Context(), wait):
		return false
	case r.Body != nil && r.Body != http.NoBody && r.GetBody == nil:
		return false
	case status == http.StatusServiceUnavailable && !idempotent(r):
		return false
	}
	return t.budget.AllowN(retryCost)
}

func idempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}

// rewind returns a copy with the body from its beginning.
func rewind(r *http.Request) (*http.Request, error) {
	next := r.Clone(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		return next, nil
	}
	body, err := r.GetBody()
	if err == nil && body == nil {
		err = errors.New("ratelimit: GetBody returned nil")
	}
	next.Body = body
	return next, err
}

// late reports whether a wait would end after the deadline.
func late(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < wait
}

// jitter makes a wait longer. It never makes it shorter, because a server would refuse again.
func (t *Transport) jitter(wait time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return wait + time.Duration(t.rand.Float64()*t.config.Jitter*float64(wait))
}

// drain reads a body to its end, so that the connection can be used again, unless it is long
// or takes long: a server that never ends it must not hold what it has refused. One that
// net/http decompresses is only closed, because there Close waits for a Read.
func drain(response *http.Response) {
	const (
		most    = 16 << 10
		longest = time.Second
	)
	if response.Body == nil { // an http.Client takes that for an empty one, too
		return
	}
	end := sync.OnceFunc(func() { _ = response.Body.Close() })
	defer end()
	if !response.Uncompressed {
		timer := time.AfterFunc(longest, end) // which ends a Read
		defer timer.Stop()
		_, _ = io.CopyN(io.Discard, response.Body, most) // whatever is wrong, it is closed
	}
}
