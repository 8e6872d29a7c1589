package ratelimit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// HTTPConfig says how a Middleware limits. Its functions are called for many requests at
// once. It is not safe for concurrent use while it is changed; a Middleware has a copy.
type HTTPConfig struct {
	// Take decides, or TakeEach if there are several policies: one of them is required.
	Take     TakeFunc
	TakeEach TakeEachFunc

	// Policies are told to clients, one for Take, or one for each decision of TakeEach. None
	// for Take: one that is called "default".
	Policies []Policy

	// Key says who asks. nil: all share the key "".
	Key KeyFunc

	// Keyless says what to do with a request that has no key.
	Keyless Keyless

	// Cost says what a request costs. nil: 1. What costs 0 passes, and is not counted. A
	// negative cost is a mistake of this function: status 500, and OnError is called. In
	// front of an http.ServeMux a request has no Pattern yet: put a Middleware behind it for
	// costs by pattern.
	Cost func(r *http.Request) int64

	// Peek refuses requests if there is nothing left, and counts none. It is for handlers
	// that count by themselves, such as only the logins that fail.
	Peek bool

	// FailOpen lets requests pass if Take returns an error. Otherwise they are answered
	// with status 503.
	FailOpen bool

	// OnError is called with errors. nil: they are logged by slog's default logger. A
	// request whose client went away in between is none.
	OnError func(r *http.Request, err error)

	// Refuse answers what was refused. The fields of the header that tell about limits are
	// set. nil: status 429, with a line of text or with Problem.
	Refuse func(w http.ResponseWriter, r *http.Request, d Decision)

	// Problem makes the answer a problem+json (RFC 9457) of the draft's type quota-exceeded,
	// with the names of the policies that were violated.
	Problem bool

	// Legacy sets X-RateLimit-Limit, -Remaining and -Reset too, the last one in seconds from
	// now. Of several policies they tell the tightest.
	Legacy bool

	// Quiet leaves RateLimit and RateLimit-Policy away, which tell strangers what the
	// server can stand. Retry-After stays.
	Quiet bool
}

// Keyless is what is done with a request that has no key.
type Keyless int

const (
	KeylessShare  Keyless = iota // all of them share the key ""
	KeylessRefuse                // status 400
	KeylessPass                  // they are not limited
)

// Middleware returns what puts a limit in front of a handler. A request that is admitted
// goes on with the same http.ResponseWriter, so that whatever it can do it still can, and
// with fields in its header that tell what is left (see Policy). What is refused gets
// status 429, and a Retry-After unless it can never be admitted.
//
// A LeakyQueue makes requests wait here for their turn. One whose deadline is before that
// gets status 503 at once. The turn of a request that does not wait for it goes by unused.
//
// The handler is safe for concurrent use. Several of them may stand behind each other, each
// with its own policies, which should have names of their own. Then what the first one takes
// it keeps if the second one refuses, and its t may be later than that Retry-After: for all
// or nothing, and one header for all, there is TakeAll.
func Middleware(config HTTPConfig) (func(http.Handler) http.Handler, error) {
	c := config
	c.Policies = slices.Clone(c.Policies)
	if len(c.Policies) == 0 && c.TakeEach == nil {
		c.Policies = []Policy{{Name: "default"}}
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("ratelimit: Middleware: %w", err)
	}
	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("ratelimit: Middleware: a nil handler")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.admit(w, r) {
				next.ServeHTTP(w, r)
			}
		})
	}, nil
}

func (c *HTTPConfig) check() error {
	switch {
	case c.Take == nil && c.TakeEach == nil:
		return errors.New("neither Take nor TakeEach")
	case c.Take != nil && c.TakeEach != nil:
		return errors.New("both Take and TakeEach")
	case c.Take != nil && len(c.Policies) > 1:
		return fmt.Errorf("%d policies for Take, which has one decision: use TakeEach", len(c.Policies))
	case len(c.Policies) == 0:
		return errors.New("no policies for TakeEach")
	case c.Keyless < KeylessShare || c.Keyless > KeylessPass:
		return fmt.Errorf("a Keyless of %d: want one of the constants", c.Keyless)
	case c.Keyless != KeylessShare && c.Key == nil:
		return errors.New("a Keyless without a Key")
	case c.Refuse != nil && c.Problem:
		return errors.New("both Refuse and Problem")
	}
	names := make(map[string]bool)
	for _, p := range c.Policies {
		if err := p.check(); err != nil {
			return err
		}
		if names[p.Name] {
			return fmt.Errorf("two policies with the name %q", p.Name)
		}
		names[p.Name] = true
	}
	return nil
}

// admit reports whether the request may go on, and answers it if not.
func (c *HTTPConfig) admit(w http.ResponseWriter, r *http.Request) bool {
	cost := int64(1)
	if c.Cost != nil {
		cost = c.Cost(r)
	}
	switch {
	case cost == 0:
		return true
	case cost < 0:
		c.report(r, fmt.Errorf("ratelimit: Middleware: a cost of %d", cost))
		answerStatus(w, http.StatusInternalServerError)
		return false
	case c.Peek:
		cost = 0
	}
	key, ok := "", true
	if c.Key != nil {
		key, ok = c.Key(r)
	}
	if !ok || key == "" {
		key = ""
		switch c.Keyless {
		case KeylessPass:
			return true
		case KeylessRefuse:
			answerStatus(w, http.StatusBadRequest)
			return false
		}
	}
	each, err := c.decide(r, key, cost)
	if err != nil {
		return c.failed(w, r, err)
	}
	d := c.writeLimits(w.Header(), each)
	if !d.OK {
		c.refuse(w, r, d, each)
		return false
	}
	if d.Delay > 0 && (late(r.Context(), d.Delay) || !sleepContext(r.Context(), d.Delay)) {
		answerStatus(w, http.StatusServiceUnavailable)
		return false
	}
	return true
}

func (c *HTTPConfig) decide(r *http.Request, key string, n int64) ([]Decision, error) {
	if c.TakeEach == nil {
		d, err := c.Take(r, key, n)
		return []Decision{d}, err
	}
	each, err := c.TakeEach(r, key, n)
	if err == nil && len(each) != len(c.Policies) {
		err = fmt.Errorf("ratelimit: Middleware: %d decisions for %d policies", len(each), len(c.Policies))
	}
	return each, err
}

// failed is about a request that could not be decided. Nobody waits for the answer to
// a request that was cancelled: it neither passes nor fills the log.
func (c *HTTPConfig) failed(w http.ResponseWriter, r *http.Request, err error) (admitted bool) {
	gone := errors.Is(r.Context().Err(), context.Canceled)
	if !gone {
		c.report(r, err)
	}
	if c.FailOpen && !gone {
		return true
	}
	answerStatus(w, http.StatusServiceUnavailable)
	return false
}

func (c *HTTPConfig) report(r *http.Request, err error) {
	if c.OnError != nil {
		c.OnError(r, err)
		return
	}
	slog.WarnContext(r.Context(), "rate limiter failed", "error", err)
}

func (c *HTTPConfig) refuse(w http.ResponseWriter, r *http.Request, d Decision, each []Decision) {
	switch {
	case c.Refuse != nil:
		c.Refuse(w, r, d)
		return
	case !c.Problem:
		answerStatus(w, http.StatusTooManyRequests)
		return
	}
	problem := struct {
		Type     string   `json:"type"`
		Title    string   `json:"title"`
		Status   int      `json:"status"`
		Violated []string `json:"violated-policies"`
	}{
		"https://iana.org/assignments/http-problem-types#quota-exceeded",
		"Request cannot be satisfied as assigned quota has been exceeded",
		http.StatusTooManyRequests, nil,
	}
	for i, d := range each {
		if !d.OK {
			problem.Violated = append(problem.Violated, c.Policies[i].Name)
		}
	}
	body, _ := json.Marshal(problem) // of strings and a number
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(problem.Status)
	_, _ = w.Write(append(body, '\n')) // to a client that may have gone
}

func answerStatus(w http.ResponseWriter, status int) { http.Error(w, http.StatusText(status), status) }

// sleepContext reports whether the time has passed before the context ended.
func sleepContext(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
