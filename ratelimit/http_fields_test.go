package ratelimit

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Planted: a sign that counts as a digit; seconds that wrap; a date compared with the
// client's clock; a list of which a part counts; the time of a policy that has something left.
func TestReadRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value, date string
		want        time.Duration
		ok          bool
	}{
		{"120", "", 2 * time.Minute, true},
		{" 7\t", "", 7 * time.Second, true},
		{"0", "", 0, true},
		{"007", "", 7 * time.Second, true},
		{"9223372036", "", 9223372036 * time.Second, true},
		{"9223372037", "", Never, true},
		{strings.Repeat("9", 1000), "", Never, true},
		{"Sun, 01 Mar 2026 12:00:30 GMT", "", 30 * time.Second, true},
		{"Sunday, 01-Mar-26 12:00:30 GMT", "", 30 * time.Second, true},
		{"Sun Mar  1 12:00:30 2026", "", 30 * time.Second, true},
		{"Sun, 01 Mar 2026 11:00:00 GMT", "", 0, true},
		{"Fri, 31 Dec 9999 23:59:59 GMT", "", Never, true},
		{"Sun, 01 Mar 2026 15:00:30 GMT", "Sun, 01 Mar 2026 15:00:00 GMT", 30 * time.Second, true}, // the server's clock is ahead
		{"Sun, 01 Mar 2026 12:00:30 GMT", "yesterday", 30 * time.Second, true},
		{"", "", 0, false},
		{"-5", "", 0, false},
		{"+5", "", 0, false},
		{"1.5", "", 0, false},
		{"5 s", "", 0, false},
		{"٣", "", 0, false},
		{"soon", "", 0, false},
	} {
		h := http.Header{"Retry-After": {c.value}, "Date": {c.date}}
		wait, ok := readRetryAfter(h, now)
		require.Equal(t, c.ok, ok, "%q", c.value)
		require.Equal(t, c.want, wait, "%q", c.value)
	}
	_, ok := readRetryAfter(nil, now)
	require.False(t, ok)
}

func TestReadRateLimit(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		lines     []string
		want      time.Duration
		empty, ok bool
	}{
		{[]string{`"default";r=50;t=30`}, 30 * s, false, true},
		{[]string{`"default";r=0;t=30`}, 30 * s, true, true},
		{[]string{`"a";r=0;t=3, "b";r=9;t=30`}, 3 * s, true, true},
		{[]string{`"b";r=9;t=30,"a";r=0;t=3 , "c";r=0;t=4`}, 4 * s, true, true},
		{[]string{`"a";r=1;t=3`, `"b";r=9;t=30`}, 30 * s, false, true},
		{[]string{`"a\"\\";pk=:dHJpYWwxMjEzMjM=:;r=0;t=7;acme-x;y=?1;z=1.5;d=@99;tok=a/b`}, 7 * s, true, true},
		{[]string{`default;r=0; t=1`}, 1 * s, true, true},
		{[]string{`"a";r=5;r=0;t=1`}, 1 * s, true, true}, // the last one counts
		{[]string{`"a";r=0;t=999999999999999`}, Never, true, true},
		{[]string{`"a";r=0`}, 0, false, false},
		{[]string{`"a";r=0;t=-1`}, 0, false, false},
		{[]string{`"a";r=0;t=1.0`}, 0, false, false},
		{[]string{`"a";r=0;t=1`, `"b`}, 0, false, false}, // all of it is ignored
		{[]string{`"a";r=0;t=1,`}, 0, false, false},
		{[]string{`"a";r=0;t=1 "b"`}, 0, false, false},
		{[]string{`"a";r=0;t=1000000000000000`}, 0, false, false},
		{[]string{`"` + strings.Repeat("a", 4096-10) + `";r=0;t=1`}, 1 * s, true, true},
		{[]string{`"` + strings.Repeat("a", 4096-9) + `";r=0;t=1`}, 0, false, false},
		{[]string{`"a";R=0;t=1`}, 0, false, false},
		{[]string{`"a";=0;t=1`}, 0, false, false},
		{[]string{`"\x";r=0;t=1`}, 0, false, false},
		{[]string{`"é";r=0;t=1`}, 0, false, false},
		{[]string{`"a";r=0;t=1;b=:x`}, 0, false, false},
		{[]string{`"a";r=0;t=1;b=?2`}, 0, false, false},
		{[]string{`"a";r=0;t=1;b=`}, 0, false, false},
		{[]string{`("a");r=0;t=1`}, 0, false, false},
		{[]string{`limit=100, remaining=0, reset=50`}, 0, false, false}, // an old draft
		{[]string{``}, 0, false, false},
		{nil, 0, false, false},
	} {
		h := make(http.Header)
		for _, line := range c.lines {
			h.Add("RateLimit", line)
		}
		wait, empty, ok := readRateLimit(h)
		require.Equal(t, c.ok, ok, "%q", c.lines)
		if ok {
			require.Equal(t, c.empty, empty, "%q", c.lines)
			require.Equal(t, c.want, wait, "%q", c.lines)
		}
	}
}

// The draft, section 7.3: what comes from a cache is about another time.
func TestReadRateLimitFromCache(t *testing.T) {
	for age, want := range map[string]bool{"": true, "0": true, "1": false, "86400": false, "old": false} {
		h := make(http.Header)
		h.Set("RateLimit", `"a";r=0;t=30`)
		h.Set("Age", age)
		_, empty, ok := readRateLimit(h)
		require.Equal(t, want, empty && ok, "%q", age)
	}
}

// Whatever a server sends, nothing breaks, and no time is negative.
func FuzzReadFields(f *testing.F) {
	f.Add("120", "", `"default";r=50;t=30`)
	f.Add("Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 12:00:00 GMT", `"a\"";r=0;t=7;pk=:dA==:, "b";r=1;x=?1;y=1.5`)
	f.Add("99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", `;;;"`)
	f.Fuzz(func(t *testing.T, retry, date, limits string) {
		h := http.Header{"Retry-After": {retry}, "Date": {date}, http.CanonicalHeaderKey("RateLimit"): {limits}}
		wait, ok := readRetryAfter(h, time.Unix(1e9, 0))
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.True(t, ok || wait == 0)
		wait, empty, ok := readRateLimit(h)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.True(t, ok || wait == 0 && !empty)
	})
}
