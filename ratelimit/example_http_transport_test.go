package ratelimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/plinth-go/plinth/ratelimit"
)

// The server refuses every second request; the client does not notice. A client-side
// Limiter keeps it from being refused more often than need be.
func ExampleTransport() {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked%2 == 1 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "not yet", http.StatusTooManyRequests)
		}
	}))
	defer server.Close()

	transport, err := ratelimit.NewTransport(ratelimit.TransportConfig{
		Limiter: ratelimit.NewTokenBucket(ratelimit.PerSecond(1000), 10),
		MaxWait: time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: transport}
	for range 3 {
		response, err := client.Get(server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		response.Body.Close()
		fmt.Println(response.Status)
	}
	fmt.Println(asked, "requests were sent")
	// Output:
	// 200 OK
	// 200 OK
	// 200 OK
	// 6 requests were sent
}
