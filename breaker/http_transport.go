package breaker

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// TransportConfig says what a Transport does. The zero TransportConfig is a good one. Its functions
// are called for many requests at once. It is not safe for concurrent use while it is changed;
// a Transport has a copy.
type TransportConfig struct {
	// Next sends the requests. nil: http.DefaultTransport.
	Next http.RoundTripper

	// Breakers of the keys. nil: those of a Keyed of its own, whose ForgetAfter is an hour, as it is
	// often others who choose the hosts. It is the zero KeyedConfig but for that.
	Breakers *Keyed[string]

	// Key says which breaker a request needs; what has the key "" needs none, and is sent. nil:
	// the host and port of its URL.
	Key func(r *http.Request) string

	// Outcome says what a response, or an error, means. nil: ResponseOutcome. The body of
	// the response is the caller's: it must be left alone.
	Outcome func(r *http.Request, response *http.Response, err error) Outcome

	// FailOpen sends a request, uncounted, if Breakers has none for it, because there is no
	// room or its Make is mistaken. Otherwise that error is the caller's.
	FailOpen bool
}

// Transport sends requests, and those whose breaker is open it does not send. Then the error is an
// *OpenError, which http.Client wraps in its *url.Error: errors.As finds it.
//
// A request is over, and counts, when the header of its response is there: a body that breaks off, or
// hangs, says nothing, and SlowRate goes by the time until then. A body can be closed much
// later, or never, and a probe would hold its slot until then.
//
// One whose context is done is not sent either. Each request that a client sends because it is
// redirected counts for itself. It is safe for concurrent use, starts no goroutine, and does not
// change requests.
type Transport struct {
	config TransportConfig // immutable
}

// NewTransport returns one.
func NewTransport(config TransportConfig) (*Transport, error) {
	c := config
	if c.Next == nil {
		c.Next = http.DefaultTransport
	}
	if c.Breakers == nil {
		breakers, err := NewKeyed(KeyedConfig[string]{ForgetAfter: time.Hour})
		if err != nil {
			return nil, fmt.Errorf("breaker: NewTransport: %w", err)
		}
		c.Breakers = breakers
	}
	if c.Key == nil {
		c.Key = keyHost
	}
	if c.Outcome == nil {
		c.Outcome = ResponseOutcome
	}
	return &Transport{c}, nil
}

// keyHost leaves requests without a host to Next, which says so.
func keyHost(r *http.Request) string {
	if r.URL == nil {
		return ""
	}
	return strings.ToLower(r.URL.Host)
}

// ResponseOutcome is what a Transport makes of a response unless it is told otherwise:
//
//	an error, while the request's context is cancelled   Ignore: the caller has gone away
//	a refusal of this package, such as *OpenError        Ignore: Next has not sent it either
//	any other error, also a deadline that is exceeded    Failure
//	a status of 500 to 599, but 501 (Not Implemented)    Failure
//	any other status                                     Success
//
// A 429 (Too Many Requests) is a success: the server is well, and says when to come again.
func ResponseOutcome(r *http.Request, response *http.Response, err error) Outcome {
	switch {
	case (err != nil || response == nil) && cancelled(r), refused(err):
		return Ignore
	case err != nil || response == nil || failed(response.StatusCode):
		return Failure
	}
	return Success
}

// cancelled goes by the context, as an error of it may be its cause, which is anything, and
// another context.Canceled may be of somebody else's context.
func cancelled(r *http.Request) bool { return r.Context().Err() == context.Canceled }

func failed(status int) bool {
	return status >= 500 && status <= 599 && status != http.StatusNotImplemented
}

// RoundTrip sends a request unless its breaker is open (see http.RoundTripper).
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	p, err := t.permit(r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // which nobody has read
		}
		return nil, err
	}
	if p.breaker == nil {
		return t.config.Next.RoundTrip(r)
	}
	defer p.fail() // unless it is done
	response, err := t.config.Next.RoundTrip(r)
	p.done(t.config.Outcome(r, response, err), unread)
	return response, err
}

// permit returns the zero Permit if no breaker is asked.
func (t *Transport) permit(r *http.Request) (Permit, error) {
	if err := r.Context().Err(); err != nil {
		return Permit{}, err
	}
	key := t.config.Key(r)
	if key == "" {
		return Permit{}, nil
	}
	b, err := t.config.Breakers.Get(key)
	switch {
	case err == nil:
		return b.Allow()
	case t.config.FailOpen:
		return Permit{}, nil
	}
	return Permit{}, err
}

// CloseIdleConnections closes those of Next, for http.Client.CloseIdleConnections.
func (t *Transport) CloseIdleConnections() {
	if next, ok := t.config.Next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}
