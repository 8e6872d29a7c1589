package breaker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
)

// HandlerConfig says what a Handler does. Its functions are called for many requests at once. It is
// not safe for concurrent use while it is changed; a Handler has a copy.
type HandlerConfig struct {
	// Next answers what is not refused. It is required.
	Next http.Handler

	// Breaker is that of all requests; or else there are Breakers, and Key says which one a request
	// needs: what has the key "" needs none, and passes. Keys that strangers choose fill
	// Breakers: see KeyedConfig.ForgetAfter.
	Breaker  *Breaker
	Breakers *Keyed[string]
	Key      func(r *http.Request) string

	// Outcome says what the status of an answer means. nil: StatusOutcome.
	Outcome func(r *http.Request, status int) Outcome

	// FailOpen lets a request pass, uncounted, if Breakers has none for it, because there is no
	// room or its Make is mistaken. Otherwise the answer is as if it were open.
	FailOpen bool

	// OnError is called with that error. nil: it is logged by slog's default logger.
	OnError func(r *http.Request, err error)
}

// Handler stands in front of another one. When too many answers are failures it refuses requests: with
// status 503, and in Retry-After the seconds until it is worth a try. So a handler whose database
// hangs does not gather requests until the memory is full.
//
//	what Next does                                   counts as
//	it answers                                       what Outcome says, when it returns
//	it panics with http.ErrAbortHandler              Ignore, and goes on
//	it panics, or ends its goroutine                 Failure, and goes on
//	it takes the connection over (Hijack)            what Outcome says of 101, at once
//	the 503 is the refusal of a Handler behind it    Ignore: that one counts what it spares
//
// An answer that never ends, such as a stream of events, counts when its client goes; as a probe it
// fails after ProbeTimeout. Leave such paths away from a Handler, by the key "".
//
// The http.ResponseWriter that Next gets can flush, be hijacked and read from a file if the
// server's can, and http.ResponseController finds what else it can. It is safe for concurrent use.
type Handler struct {
	config HandlerConfig // immutable
}

// NewHandler returns one. It returns an error if the configuration is impossible.
func NewHandler(config HandlerConfig) (*Handler, error) {
	c := config
	if c.Outcome == nil {
		c.Outcome = StatusOutcome
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("breaker: NewHandler: %w", err)
	}
	return &Handler{c}, nil
}

func (c *HandlerConfig) check() error {
	switch {
	case c.Next == nil:
		return errors.New("no Next")
	case c.Breaker == nil && c.Breakers == nil:
		return errors.New("neither Breaker nor Breakers")
	case c.Breaker != nil && c.Breakers != nil:
		return errors.New("both Breaker and Breakers")
	case c.Breakers != nil && c.Key == nil:
		return errors.New("no Key for Breakers")
	case c.Breaker != nil && c.Key != nil:
		return errors.New("a Key for one Breaker")
	}
	return nil
}

// StatusOutcome is what a Handler makes of a status unless it is told otherwise: one of 500 to
// 599, but 501 (Not Implemented), is Failure, or to Ignore if the client had gone away (the
// request's context is cancelled), and every other one is Success.
func StatusOutcome(r *http.Request, status int) Outcome {
	switch {
	case !failed(status):
		return Success
	case cancelled(r):
		return Ignore
	}
	return Failure
}

// ServeHTTP has a request answered by Next, or refuses it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := h.breaker(r)
	if err != nil {
		h.report(r, err)
		if !h.config.FailOpen {
			refuse(w, 0)
			return
		}
	}
	if b == nil {
		h.config.Next.ServeHTTP(w, r)
		return
	}
	p, err := b.Allow()
	if err != nil {
		wait := time.Duration(0)
		if open := (*OpenError)(nil); errors.As(err, &open) {
			wait = open.RetryAfter()
		}
		refuse(w, wait)
		return
	}
	a := &answer{ResponseWriter: w, handler: h, request: r, permit: p}
	defer a.end()
	h.config.Next.ServeHTTP(a, r)
	a.count()
}

// breaker returns nil if none is asked.
func (h *Handler) breaker(r *http.Request) (*Breaker, error) {
	if h.config.Breaker != nil {
		return h.config.Breaker, nil
	}
	key := h.config.Key(r)
	if key == "" {
		return nil, nil
	}
	return h.config.Breakers.Get(key)
}

func (h *Handler) report(r *http.Request, err error) {
	if h.config.OnError != nil {
		h.config.OnError(r, err)
		return
	}
	slog.WarnContext(r.Context(), "no circuit breaker", "error", err)
}

// refuse answers 503, and lets the Handlers in front know that it is a refusal.
func refuse(w http.ResponseWriter, wait time.Duration) {
	seconds := max((wait+time.Second-1)/time.Second, 1) // rounded up: earlier is in vain
	w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	for w != nil {
		if a, ok := w.(*answer); ok {
			a.refused = true
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = wrapper.Unwrap()
	}
}

// answer is the http.ResponseWriter of a request that was let through, and looks at its status. It is
// not safe for concurrent use, as no http.ResponseWriter is.
type answer struct {
	http.ResponseWriter
	handler *Handler
	request *http.Request
	permit  Permit
	status  int  // 0: none yet
	refused bool // by a Handler behind
}

// count is about one whose handler has returned.
func (a *answer) count() {
	if a.refused && a.status == http.StatusServiceUnavailable {
		a.finish(Ignore)
		return
	}
	a.begin() // as the server does
	a.finish(a.handler.config.Outcome(a.request, a.status))
}

// finish has the outcome counted, unless one has been.
func (a *answer) finish(o Outcome) {
	if a.permit.breaker != nil {
		a.permit.done(o, unread)
	}
}

// end is deferred, and finds out how a handler has ended. A panic goes on, with its stack.
func (a *answer) end() {
	v := recover()
	if v == http.ErrAbortHandler {
		a.finish(Ignore)
	}
	a.finish(Failure) // unless it has returned
	if v != nil {
		panic(v)
	}
}

// WriteHeader takes the first status that is final: before it there may be some of 100 to 199.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(p)
}

// ReadFrom is there so that the kernel can copy a file, which the server's writer knows how to ask for.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(a.ResponseWriter, src)
	if n > 0 {
		a.begin()
	}
	return n, err
}

// begin is about an answer whose status nobody has set.
func (a *answer) begin() {
	if a.status == 0 {
		a.status = http.StatusOK
	}
}

// Flush is for those who ask for an http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is what http.ResponseController asks for.
func (a *answer) FlushError() error {
	err := http.NewResponseController(a.ResponseWriter).Flush()
	if !errors.Is(err, http.ErrNotSupported) {
		a.begin()
	}
	return err
}

// Hijack ends the request as far as it can be judged: what follows may take hours.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.finish(a.handler.config.Outcome(a.request, http.StatusSwitchingProtocols))
	}
	return c, rw, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
