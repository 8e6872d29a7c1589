package ratelimit

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ask sends a request through a middleware and returns the answer.
func ask(t testing.TB, c HTTPConfig, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	m, err := Middleware(c)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	m(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
	return w
}

// says is a TakeFunc that always decides the same.
func says(d Decision) TakeFunc {
	return func(*http.Request, string, int64) (Decision, error) { return d, nil }
}

// The examples of the draft, sections 3 and 4, and what it demands of Retry-After.
//
// Planted: seconds rounded down; t of a refused request from ResetAfter; t of the other
// policies later than Retry-After; a quotation mark that is not escaped.
func TestLimitFields(t *testing.T) {
	const s = time.Second
	ok := Decision{OK: true, Limit: 100, Remaining: 50, ResetAfter: 30 * s}
	for _, c := range []struct {
		name            string
		policies        []Policy
		each            []Decision
		policy, service string
		retry           string
	}{
		{"default", nil, []Decision{ok}, `"default";q=100`, `"default";r=50;t=30`, ""},
		{"window", []Policy{{Name: "default", Quota: 100, Window: 10 * s}}, []Decision{ok},
			`"default";q=100;w=10`, `"default";r=50;t=30`, ""},
		{"unit", []Policy{{Name: "peruser", Quota: 65535, Window: 10 * s, Unit: "content-bytes"}}, []Decision{ok},
			`"peruser";q=65535;qu="content-bytes";w=10`, `"peruser";r=50;t=30`, ""},
		{"two", []Policy{{Name: "burst", Quota: 100, Window: 60 * s}, {Name: "daily", Quota: 1000, Window: 86400 * s}},
			[]Decision{ok, {OK: true, Limit: 1000, Remaining: 999, ResetAfter: 86400 * s}},
			`"burst";q=100;w=60, "daily";q=1000;w=86400`, `"burst";r=50;t=30, "daily";r=999;t=86400`, ""},
		{"escaped", []Policy{{Name: `a"b\c`}}, []Decision{ok}, `"a\"b\\c";q=100`, `"a\"b\\c";r=50;t=30`, ""},
		{"full", nil, []Decision{{OK: true, Limit: 5, Remaining: 5}}, `"default";q=5`, `"default";r=5;t=0`, ""},
		{"rounded up", nil, []Decision{{OK: true, Limit: 5, Remaining: 4, ResetAfter: 1}}, `"default";q=5`, `"default";r=4;t=1`, ""},
		{"refused", nil, []Decision{{Limit: 100, RetryAfter: 1001 * time.Millisecond, ResetAfter: 60 * s}},
			`"default";q=100`, `"default";r=0;t=2`, "2"},
		{"refused for nothing", nil, []Decision{{Limit: 100}}, `"default";q=100`, `"default";r=0;t=0`, "1"},
		{"negative", nil, []Decision{{Limit: -1, Remaining: -2, RetryAfter: -s, ResetAfter: -s}},
			`"default";q=0`, `"default";r=0;t=0`, "1"},
		{"never", nil, []Decision{{Limit: 5, Remaining: 3, RetryAfter: Never, ResetAfter: s}}, `"default";q=5`, `"default";r=3`, ""},
		{"292 years", nil, []Decision{{Limit: 5, RetryAfter: Never - 1}}, `"default";q=5`, `"default";r=0;t=9223372036`, "9223372036"},
		{"unlimited", nil, []Decision{unlimited(1)}, `"default";q=999999999999999`, `"default";r=999999999999999;t=0`, ""},
		{"one of two refuses", []Policy{{Name: "burst"}, {Name: "daily"}},
			[]Decision{{Limit: 10, RetryAfter: 2500 * time.Millisecond, ResetAfter: 20 * s}, {OK: true, Limit: 1000, Remaining: 900, ResetAfter: 8640 * s}},
			`"burst";q=10, "daily";q=1000`, `"burst";r=0;t=3, "daily";r=900;t=3`, "3"},
		{"both refuse", []Policy{{Name: "burst"}, {Name: "daily"}},
			[]Decision{{Limit: 10, RetryAfter: s}, {Limit: 1000, RetryAfter: time.Hour}},
			`"burst";q=10, "daily";q=1000`, `"burst";r=0;t=1, "daily";r=0;t=3600`, "3600"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := HTTPConfig{Policies: c.policies}
			if len(c.each) == 1 {
				config.Take = says(c.each[0])
			} else {
				config.TakeEach = func(*http.Request, string, int64) ([]Decision, error) { return c.each, nil }
			}
			h := ask(t, config, httptest.NewRequest("GET", "/", nil)).Header()
			require.Equal(t, []string{c.policy}, h.Values("RateLimit-Policy"))
			require.Equal(t, []string{c.service}, h.Values("RateLimit"))
			require.Equal(t, c.retry, h.Get("Retry-After"))
			require.Empty(t, h.Get("X-RateLimit-Limit"))
			checkFields(t, h)
		})
	}
}

// The grammar of a list of strings with parameters, from RFC 9651, sections 3 and 4.1, as far
// as these fields use it: an oracle that shares nothing with the code.
var (
	sfString = `"(?:[ !#-\[\]-~]|\\["\\])*"`
	sfPolicy = regexp.MustCompile(`^` + sfString + `;q=[0-9]{1,15}(?:;qu=` + sfString + `)?(?:;w=[1-9][0-9]{0,14})?(?:, |$)`)
	sfLimits = regexp.MustCompile(`^` + sfString + `;r=[0-9]{1,15}(?:;t=([0-9]{1,15}))?(?:, |$)`)
)

// checkFields checks that what was sent is well-formed, and that no t is after Retry-After.
func checkFields(t testing.TB, h http.Header) {
	t.Helper()
	retry := int64(math.MaxInt64)
	if value, sent := h["Retry-After"]; sent {
		var err error
		retry, err = strconv.ParseInt(value[0], 10, 64)
		require.NoError(t, err)
		require.Positive(t, retry)
	}
	policy, limits := h.Get("RateLimit-Policy"), h.Get("RateLimit")
	for n := 0; policy != "" || limits != ""; n++ {
		p, l := sfPolicy.FindString(policy), sfLimits.FindStringSubmatch(limits)
		require.NotEmpty(t, p, "item %d of %q", n, h.Get("RateLimit-Policy"))
		require.NotEmpty(t, l, "item %d of %q", n, h.Get("RateLimit"))
		if l[1] != "" {
			end, err := strconv.ParseInt(l[1], 10, 64)
			require.NoError(t, err)
			require.LessOrEqual(t, end, retry)
		}
		policy, limits = policy[len(p):], limits[len(l[0]):]
		require.Equal(t, strings.HasSuffix(p, ", "), policy != "", "no comma at the end")
		require.Equal(t, strings.HasSuffix(l[0], ", "), limits != "", "no comma at the end")
	}
}

// Whatever is decided, what is sent is well-formed, and can be read again.
func FuzzLimitFields(f *testing.F) {
	f.Add("default", "", int64(0), int64(60), int64(100), int64(50), int64(1e9), int64(3e10), false, int64(9), int64(3), int64(5e9), true)
	f.Add(`"\`, "content-bytes", int64(1), int64(0), int64(-1), int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64), true, int64(0), int64(0), int64(0), false)
	f.Add("a", "b", int64(math.MaxInt64), int64(9e9), int64(math.MinInt64), int64(math.MinInt64), int64(math.MaxInt64), int64(math.MinInt64), false, int64(1), int64(1), int64(1), false)
	f.Fuzz(func(t *testing.T, name, unit string, quota, window, limit, remaining, retry, reset int64, ok bool,
		limit2, remaining2, retry2 int64, ok2 bool) {
		each := []Decision{
			{OK: ok, Limit: limit, Remaining: remaining, RetryAfter: time.Duration(retry), ResetAfter: time.Duration(reset)},
			{OK: ok2, Limit: limit2, Remaining: remaining2, RetryAfter: time.Duration(retry2), ResetAfter: time.Duration(reset)},
		}
		c := HTTPConfig{
			TakeEach: func(*http.Request, string, int64) ([]Decision, error) { return each, nil },
			Policies: []Policy{{Name: name, Unit: unit, Quota: quota, Window: time.Duration(window) * time.Second}, {Name: "second"}},
			Legacy:   true, Problem: true,
		}
		m, err := Middleware(c)
		if err != nil {
			return // the configuration was refused
		}
		w := httptest.NewRecorder()
		m(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		checkFields(t, w.Header())
		if !ok || !ok2 {
			require.Equal(t, http.StatusTooManyRequests, w.Code)
			require.True(t, json.Valid(w.Body.Bytes()))
			never := !ok && each[0].RetryAfter == Never || !ok2 && each[1].RetryAfter == Never
			require.Equal(t, never, w.Header().Get("Retry-After") == "")
		}
		for _, field := range []string{"RateLimit", "RateLimit-Policy"} {
			s := fieldScanner{w.Header().Get(field)}
			for range 2 {
				params, fine := s.item()
				require.True(t, fine && s.comma(), "%s", s.rest)
				require.True(t, params["r"].integer || params["q"].integer)
			}
			require.Empty(t, s.rest)
		}
	})
}

func TestPolicyOf(t *testing.T) {
	for _, c := range []struct {
		rate  Limit
		burst int64
		want  string
	}{
		{Per(100, time.Minute), 100, `"p";q=100;w=60`},
		{Per(100, time.Minute), 1000, `"p";q=1000;w=600`},
		{PerSecond(100), 150, `"p";q=150;w=2`}, // in 1.5 s: a little less is told
		{PerSecond(1000), 20, `"p";q=1000;w=1`},
		{Per(1e12, 1000*time.Second), 1, `"p";q=1000000000;w=1`}, // a product of more than 64 bits
		{Per(math.MaxInt64, time.Duration(math.MaxInt64)), 20, `"p";q=1000000000;w=1`},
		{Per(3, 2*time.Second), 1, `"p";q=1;w=1`},
		{Per(1, 365*24*time.Hour), 1 << 62, `"p";q=999999999999999`},
		{Per(1, time.Duration(math.MaxInt64)), 1, `"p";q=1`},
		{PerSecond(1e9), 1 << 62, `"p";q=999999999999999;w=4611686019`},
		{Unlimited, 7, `"p";q=999999999999999`}, // no less than is left
	} {
		p := PolicyOf("p", c.rate, c.burst)
		require.NoError(t, p.check())
		require.Equal(t, c.want, string(appendPolicy(nil, p, Decision{})), "%v %d", c.rate, c.burst)
	}
	require.PanicsWithValue(t, "ratelimit: PolicyOf: no limit given: use Per, PerSecond or Unlimited", func() { PolicyOf("p", Limit{}, 1) })
	require.Panics(t, func() { PolicyOf("p", PerSecond(1), 0) })
}
