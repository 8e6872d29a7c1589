package ratelimit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// KeyFunc says who asks: requests with the same key share a limit. It returns false if there
// is no key. It must be safe for concurrent use.
type KeyFunc func(r *http.Request) (key string, ok bool)

// HeaderKey returns a KeyFunc whose key is the value of a header, such as X-API-Key. There is
// no key if it is missing, empty, or there twice. A value longer than 64 bytes is replaced
// by its SHA-256. It panics if name is no name of a header, or Host.
//
// A client can make up as many values as it likes: put the limiter behind what checks
// them, or use it besides one by ClientAddr.
func HeaderKey(name string) KeyFunc {
	canonical := http.CanonicalHeaderKey(name)
	if !isToken(name) || canonical == "Host" { // which net/http moves to Request.Host
		panic(fmt.Sprintf("ratelimit: HeaderKey: %q", name))
	}
	return func(r *http.Request) (string, bool) { return boundedKey(r.Header[canonical]) }
}

// CookieKey is HeaderKey for a cookie. It panics if the name is not one.
func CookieKey(name string) KeyFunc {
	if !isToken(name) {
		panic(fmt.Sprintf("ratelimit: CookieKey: %q", name))
	}
	return func(r *http.Request) (string, bool) {
		var values []string
		for _, cookie := range r.CookiesNamed(name) {
			values = append(values, cookie.Value)
		}
		return boundedKey(values)
	}
}

// longestKey is the longest value that is a key as it is. What is longer becomes a hash,
// which is longer than that, so that nobody can send the hash instead.
const longestKey = 64

func boundedKey(values []string) (string, bool) {
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	if len(values[0]) <= longestKey {
		return values[0], true
	}
	hash := sha256.Sum256([]byte(values[0]))
	return "sha256:" + hex.EncodeToString(hash[:]), true
}

// JoinKeys returns a KeyFunc for all of several keys together, such as the user and the
// method. There is no key if one is missing. It panics without a KeyFunc, or with a nil one.
func JoinKeys(keys ...KeyFunc) KeyFunc {
	keys = mustHaveKeys("JoinKeys", keys)
	return func(r *http.Request) (string, bool) {
		var joined []byte
		for _, key := range keys {
			k, ok := key(r)
			if !ok || k == "" {
				return "", false
			}
			// With lengths, or "a" and "bc" would be "ab" and "c".
			joined = strconv.AppendInt(joined, int64(len(k)), 10)
			joined = append(append(joined, ':'), k...)
		}
		return string(joined), true
	}
}

// FirstKey returns a KeyFunc for the first of several keys that there is, such as the user's,
// or else the address. It panics without a KeyFunc, or with a nil one.
func FirstKey(keys ...KeyFunc) KeyFunc {
	keys = mustHaveKeys("FirstKey", keys)
	return func(r *http.Request) (string, bool) {
		for i, key := range keys {
			if k, ok := key(r); ok && k != "" {
				// With its place, or a user might call himself by another's address.
				return strconv.Itoa(i) + ":" + k, true
			}
		}
		return "", false
	}
}

func mustHaveKeys(what string, keys []KeyFunc) []KeyFunc {
	if len(keys) == 0 {
		panic("ratelimit: " + what + ": no keys")
	}
	for _, key := range keys {
		if key == nil {
			panic("ratelimit: " + what + ": a nil KeyFunc")
		}
	}
	return append([]KeyFunc(nil), keys...)
}

// isToken reports whether s is a token of HTTP, such as the name of a header.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
