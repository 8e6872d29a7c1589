package breaker

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkServe is a handler that does nothing, with a Handler and without one; and a Transport before
// one that does nothing.
func BenchmarkServe(b *testing.B) {
	next := answering(200)
	r := httptest.NewRequest("GET", "http://example.com/", nil)
	w := &discard{http.Header{}}
	serve := func(h http.Handler) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		}
	}
	one := must(b, Config{})
	b.Run("impl=none/case=handler", serve(next))
	b.Run("impl=plinth/case=handler", serve(mustHandler(b, HandlerConfig{Next: next, Breaker: one})))
	open := must(b, Config{})
	open.ForceOpen()
	b.Run("impl=plinth/case=refused", serve(mustHandler(b, HandlerConfig{Next: next, Breaker: open})))
	transport := mustTransport(b, TransportConfig{Next: roundTrip(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })})
	b.Run("impl=plinth/case=transport", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = transport.RoundTrip(r)
		}
	})
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
