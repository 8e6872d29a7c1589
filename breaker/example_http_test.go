package breaker_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/plinth-go/plinth/breaker"
)

// A client that leaves a server alone when it fails.
func ExampleTransport() {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Error(w, "the database is down", http.StatusInternalServerError)
	}))
	defer server.Close()

	hosts, err := breaker.NewKeyed(breaker.KeyedConfig[string]{Make: func(host string) breaker.Config {
		return breaker.Config{Trip: breaker.ConsecutiveFailures(3), OpenFor: time.Minute}
	}})
	if err != nil {
		log.Fatal(err)
	}
	transport, err := breaker.NewTransport(breaker.TransportConfig{Breakers: hosts})
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	for range 5 {
		response, err := client.Get(server.URL)
		var open *breaker.OpenError
		switch {
		case errors.As(err, &open):
			fmt.Println("refused; again in less than a minute:", open.RetryAfter() < time.Minute)
		case err != nil:
			log.Fatal(err)
		default:
			response.Body.Close()
			fmt.Println(response.Status)
		}
	}
	fmt.Println("the server was asked", asked, "times")
	// Output:
	// 500 Internal Server Error
	// 500 Internal Server Error
	// 500 Internal Server Error
	// refused; again in less than a minute: true
	// refused; again in less than a minute: true
	// the server was asked 3 times
}

// A client for which too many requests are a failure too, and that has a breaker for each method and host.
func ExampleTransportConfig() {
	transport, err := breaker.NewTransport(breaker.TransportConfig{
		Key: func(r *http.Request) string { return r.Method + " " + r.URL.Host },
		Outcome: func(r *http.Request, response *http.Response, err error) breaker.Outcome {
			if err == nil && response.StatusCode == http.StatusTooManyRequests {
				return breaker.Failure
			}
			return breaker.ResponseOutcome(r, response, err)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	_ = client // .Get …
}

// A server that stops to take requests while they fail.
func ExampleHandler() {
	db, err := breaker.New(breaker.Config{
		Trip: breaker.ConsecutiveFailures(2), OpenFor: time.Minute, Jitter: breaker.NoJitter,
	})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := breaker.NewHandler(breaker.HandlerConfig{
		Breaker: db,
		Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "the database is down", http.StatusBadGateway)
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		fmt.Printf("%d %s", w.Code, w.Body)
		if seconds, err := strconv.Atoi(w.Header().Get("Retry-After")); err == nil {
			fmt.Println("again in a minute at most:", seconds > 0 && seconds <= 60)
		}
	}
	// Output:
	// 502 the database is down
	// 502 the database is down
	// 503 Service Unavailable
	// again in a minute at most: true
}

// A breaker for each tenant, whom the path names; the health check has none.
func ExampleHandlerConfig() {
	tenants, err := breaker.NewKeyed(breaker.KeyedConfig[string]{
		ForgetAfter: time.Hour, // as strangers choose the path
		Make: func(string) breaker.Config {
			return breaker.Config{Trip: breaker.ConsecutiveFailures(1), OpenFor: time.Minute, Jitter: breaker.NoJitter}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	guard := func(next http.HandlerFunc) http.Handler {
		handler, err := breaker.NewHandler(breaker.HandlerConfig{
			Next:     next,
			Breakers: tenants,
			Key:      func(r *http.Request) string { return r.PathValue("tenant") },
		})
		if err != nil {
			log.Fatal(err)
		}
		return handler
	}
	mux := http.NewServeMux()
	mux.Handle("/tenants/{tenant}", guard(func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("tenant") == "acme" {
			http.Error(w, "no connection", http.StatusServiceUnavailable)
		}
	}))
	mux.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})

	for _, path := range []string{"/tenants/acme", "/tenants/acme", "/tenants/globex", "/health"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code, "refused:", w.Header().Get("Retry-After") != "")
	}
	// Output:
	// /tenants/acme 503 refused: false
	// /tenants/acme 503 refused: true
	// /tenants/globex 200 refused: false
	// /health 200 refused: false
}
