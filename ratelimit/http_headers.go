package ratelimit

import (
	"fmt"
	"math"
	"math/bits"
	"net/http"
	"strconv"
	"time"
)

// What a server tells about its limits, by draft-ietf-httpapi-ratelimit-headers-11. There
// are two fields, and each is a list with an item for each policy. An item is a name, as
// a quoted string, with parameters (the grammar is that of structured fields, RFC 9651):
//
//	RateLimit-Policy: "burst";q=100;w=60, "daily";q=1000;w=86400
//	RateLimit: "burst";r=50;t=30, "daily";r=999;t=86400
//
//	q   quota: how many there may be
//	w   window: in so many seconds; whole ones, at least 1, or left out
//	qu  quota unit: left out if it is "requests"
//	r   remaining: how many there may be now
//	t   time: no more than r are available within so many seconds
//
// Numbers have at most 15 digits. What is more is written as 15 nines. A policy of
// which q is not known beforehand has the Limit of the decision.
//
// t is ResetAfter if the request was admitted, and RetryAfter if it was refused. The draft
// wants that Retry-After is not earlier than any t. With several policies the one that
// refuses says when to come again, and the t of the others is no later: that there is no
// more than r within an hour is true of a minute, too.

const maxInteger = 999_999_999_999_999 // of structured fields

// Policy is what a RateLimit-Policy field tells of a limit. It is a value and is safe for
// concurrent use.
type Policy struct {
	Name   string        // printable ASCII
	Quota  int64         // how many there may be; 0: the Limit of the decision
	Window time.Duration // in so long; whole seconds; 0: not told
	Unit   string        // of Quota, such as "content-bytes"; "": requests
}

// PolicyOf describes a bucket with a rate and a burst: a full one, in the time in which it
// fills. If that is less than a second, which the field cannot tell, it is what comes in a
// second. It panics if rate is no Limit or burst is not positive.
func PolicyOf(name string, rate Limit, burst int64) Policy {
	if _, err := makePace(rate, burst); err != nil {
		panic("ratelimit: PolicyOf: " + err.Error())
	}
	p := Policy{Name: name, Quota: burst}
	if rate == Unlimited {
		p.Quota = math.MaxInt64 // as its decisions say, whatever the burst is
		return p
	}
	hi, lo := bits.Mul64(uint64(burst), uint64(rate.d))
	if hi >= uint64(rate.n) {
		return p // more than 292 years
	}
	fill, rest := bits.Div64(hi, lo, uint64(rate.n))
	if rest > 0 {
		fill++
	}
	switch {
	case fill < uint64(time.Second):
		hi, lo = bits.Mul64(uint64(rate.n), uint64(time.Second))
		second, _ := bits.Div64(hi, lo, uint64(rate.d)) // at most 10^9, one in a nanosecond
		p.Quota, p.Window = int64(second), time.Second
	case fill <= uint64(Never-time.Second):
		p.Window = time.Duration(wholeSeconds(time.Duration(fill))) * time.Second
	}
	return p
}

func (p Policy) check() error {
	switch {
	case p.Name == "":
		return fmt.Errorf("a policy without a name")
	case !isPrintable(p.Name):
		return fmt.Errorf("policy %q: a name is of printable ASCII", p.Name)
	case !isPrintable(p.Unit):
		return fmt.Errorf("policy %q: unit %q: want printable ASCII", p.Name, p.Unit)
	case p.Quota < 0:
		return fmt.Errorf("policy %q: quota of %d", p.Name, p.Quota)
	case p.Window < 0 || p.Window%time.Second != 0:
		return fmt.Errorf("policy %q: window of %v: want whole seconds", p.Name, p.Window)
	}
	return nil
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// appendPolicy appends an item of RateLimit-Policy.
func appendPolicy(b []byte, p Policy, d Decision) []byte {
	quota := p.Quota
	if quota == 0 {
		quota = d.Limit
	}
	b = appendInteger(append(appendString(b, p.Name), ";q="...), quota)
	if p.Unit != "" {
		b = appendString(append(b, ";qu="...), p.Unit)
	}
	if p.Window > 0 {
		b = appendInteger(append(b, ";w="...), wholeSeconds(p.Window))
	}
	return b
}

// appendService appends an item of RateLimit. t is left out if it is Never.
func appendService(b []byte, name string, remaining int64, t time.Duration) []byte {
	b = appendInteger(append(appendString(b, name), ";r="...), remaining)
	if t != Never {
		b = appendInteger(append(b, ";t="...), wholeSeconds(t))
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func appendInteger(b []byte, n int64) []byte {
	return strconv.AppendInt(b, min(max(n, 0), maxInteger), 10)
}

// wholeSeconds rounds up: who comes that much later is not too early.
func wholeSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return max(s, 0)
}

// writeLimits sets the fields that tell what was decided, one decision for each policy,
// and returns what they say together.
func (c *HTTPConfig) writeLimits(h http.Header, each []Decision) Decision {
	sum := each[0]
	for _, d := range each[1:] {
		sum = tighter(sum, d)
	}
	end := Never // no t is later
	if !sum.OK && sum.RetryAfter != Never {
		whole := min(max(wholeSeconds(sum.RetryAfter), 1), int64(Never/time.Second))
		sum.RetryAfter = time.Duration(whole) * time.Second
		end = sum.RetryAfter
		h.Set("Retry-After", strconv.FormatInt(wholeSeconds(end), 10))
	}
	if !c.Quiet {
		policies, services := make([]byte, 0, 64), make([]byte, 0, 64)
		for i, d := range each {
			if i > 0 {
				policies, services = append(policies, ", "...), append(services, ", "...)
			}
			policies = appendPolicy(policies, c.Policies[i], d)
			services = appendService(services, c.Policies[i].Name, d.Remaining, min(effectiveWindow(d), end))
		}
		// A middleware further out may have policies of its own, in fields of its own.
		h.Add("RateLimit-Policy", string(policies))
		h.Add("RateLimit", string(services))
	}
	if c.Legacy {
		h.Set("X-RateLimit-Limit", strconv.FormatInt(max(sum.Limit, 0), 10))
		h.Set("X-RateLimit-Remaining", strconv.FormatInt(max(sum.Remaining, 0), 10))
		h.Set("X-RateLimit-Reset", strconv.FormatInt(wholeSeconds(min(effectiveWindow(sum), end)), 10))
	}
	return sum
}

// effectiveWindow returns t.
func effectiveWindow(d Decision) time.Duration {
	if d.OK {
		return d.ResetAfter
	}
	return d.RetryAfter
}
