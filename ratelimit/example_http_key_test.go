package ratelimit_test

import (
	"fmt"
	"net/http/httptest"
	"net/netip"

	"github.com/plinth-go/plinth/ratelimit"
)

// The client is whom the last trusted proxy has seen, and not who the client says it is.
func ExampleClientAddr() {
	key, err := ratelimit.ClientAddr(ratelimit.AddrConfig{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, from := range []string{"10.0.0.1:4711", "203.0.113.9:4711"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-For", "6.6.6.6, 2001:db8:1:2:3:4:5:6, 10.0.0.2")
		fmt.Println(key(r))
	}
	// Output:
	// 2001:db8:1:2:: true
	// 203.0.113.9 true
}

// A user is known by the key of the API, and who has none by the address.
func ExampleFirstKey() {
	address, err := ratelimit.ClientAddr(ratelimit.AddrConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := ratelimit.FirstKey(ratelimit.HeaderKey("X-API-Key"), address)

	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "203.0.113.9:4711"
	fmt.Println(key(r))
	r.Header.Set("X-API-Key", "s3cret")
	fmt.Println(key(r))
	// Output:
	// 1:203.0.113.9 true
	// 0:s3cret true
}
