package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func prefixes(s ...string) (all []netip.Prefix) {
	for _, p := range s {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// from returns a request from a peer, with lines of a header.
func from(peer, header string, lines ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = peer
	for _, line := range lines {
		r.Header.Add(header, line)
	}
	return r
}

// Forged and honest headers. The trusted proxies are 10.0.0.0/8 and 2001:db8:f::/48; the client
// is 203.0.113.9, and who is not is 6.6.6.6.
//
// Planted: the leftmost address; a header that is read from everybody; only the last line;
// a malformed entry that is skipped; a comma in quotes that counts; the second of two fors.
func TestClientAddr(t *testing.T) {
	const xff, fwd = "X-Forwarded-For", "Forwarded"
	for _, c := range []struct {
		name   string
		header string
		peer   string
		lines  []string
		want   string
	}{
		{"no proxy", xff, "203.0.113.9:1234", nil, "203.0.113.9"},
		{"forged without a proxy", xff, "203.0.113.9:1234", []string{"6.6.6.6"}, "203.0.113.9"},
		{"forged to be a proxy", xff, "203.0.113.9:1234", []string{"6.6.6.6, 10.0.0.1"}, "203.0.113.9"},
		{"one proxy", xff, "10.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"forged before one proxy", xff, "10.0.0.1:1", []string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"},
		{"forged to be a proxy, before one", xff, "10.0.0.1:1", []string{"6.6.6.6, 10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", xff, "10.0.0.1:1", []string{"6.6.6.6,203.0.113.9,10.0.0.2"}, "203.0.113.9"},
		{"several lines", xff, "10.0.0.1:1", []string{"6.6.6.6", "203.0.113.9", "10.0.0.2"}, "203.0.113.9"},
		{"several lines with several", xff, "10.0.0.1:1", []string{"6.6.6.6, 203.0.113.9", "10.0.0.3 ,10.0.0.2"}, "203.0.113.9"},
		{"nothing said", xff, "10.0.0.1:1", nil, "10.0.0.1"},
		{"empty ones", xff, "10.0.0.1:1", []string{" ", "203.0.113.9, ,,", ""}, "203.0.113.9"},
		{"all trusted", xff, "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"malformed last", xff, "10.0.0.1:1", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		{"malformed behind a proxy", xff, "10.0.0.1:1", []string{"203.0.113.9, 999.1.1.1, 10.0.0.2"}, "10.0.0.2"},
		{"malformed but forged", xff, "10.0.0.1:1", []string{"1.2.3, <script>, 203.0.113.9"}, "203.0.113.9"},
		{"with a port", xff, "10.0.0.1:1", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{"with an impossible port", xff, "10.0.0.1:1", []string{"203.0.113.9:99999"}, "10.0.0.1"},
		{"octal", xff, "10.0.0.1:1", []string{"203.0.113.09"}, "10.0.0.1"},
		{"IPv4 in brackets", xff, "10.0.0.1:1", []string{"[203.0.113.9]"}, "10.0.0.1"},
		{"quotes are not of this grammar", xff, "10.0.0.1:1", []string{`"203.0.113.9"`}, "10.0.0.1"},
		{"IPv6 by /64", xff, "10.0.0.1:1", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::"},
		{"IPv6 in brackets", xff, "10.0.0.1:1", []string{"[2001:db8:1:2::1]"}, "2001:db8:1:2::"},
		{"IPv6 with a port", xff, "10.0.0.1:1", []string{"[2001:db8:1:2::1]:80"}, "2001:db8:1:2::"},
		{"IPv6 with a zone", xff, "10.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::"},
		{"IPv4 in IPv6", xff, "10.0.0.1:1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"a proxy as IPv4 in IPv6", xff, "[::ffff:10.0.0.1]:1", []string{"203.0.113.9, ::ffff:10.0.0.2"}, "203.0.113.9"},
		{"a proxy with IPv6", xff, "[2001:db8:f::1]:1", []string{"203.0.113.9, 2001:db8:f:7::2"}, "203.0.113.9"},
		{"a proxy with a zone", xff, "[2001:db8:f::1%eth0]:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"a peer with IPv6", xff, "[2001:db8:1:2:3:4:5:6]:1", []string{"6.6.6.6"}, "2001:db8:1:2::"},
		{"a peer without a port", xff, "203.0.113.9", nil, "203.0.113.9"},
		{"a peer without an address", xff, "@", []string{"203.0.113.9"}, ""},
		{"no peer", xff, "", []string{"203.0.113.9"}, ""},
		{"too long", xff, "10.0.0.1:1", []string{"fe80::1%" + strings.Repeat("z", 1000)}, "10.0.0.1"},
		{"another header", "X-Real-IP", "10.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},

		{"forwarded", fwd, "10.0.0.1:1", []string{"for=203.0.113.9"}, "203.0.113.9"},
		{"forwarded, forged without a proxy", fwd, "203.0.113.9:1", []string{"for=6.6.6.6"}, "203.0.113.9"},
		{"forwarded, all of it", fwd, "10.0.0.1:1", []string{`for=6.6.6.6;by=1.1.1.1, by=10.0.0.2;proto=https; FOR="203.0.113.9:4711" ;host="a,b;for=6.6.6.6", For=10.0.0.2;`}, "203.0.113.9"},
		{"forwarded, several lines", fwd, "10.0.0.1:1", []string{"for=6.6.6.6", "for=203.0.113.9", "for=10.0.0.2"}, "203.0.113.9"},
		{"forwarded, IPv6", fwd, "10.0.0.1:1", []string{`for="[2001:db8:1:2::1]:4711"`}, "2001:db8:1:2::"},
		{"forwarded, IPv6 without quotes", fwd, "10.0.0.1:1", []string{`for=[2001:db8:1:2::1]`}, "10.0.0.1"},
		{"forwarded, escaped", fwd, "10.0.0.1:1", []string{`for="203.0.\113.9";host="x\",for=6.6.6.6"`}, "203.0.113.9"},
		{"forwarded, escaped backslash", fwd, "10.0.0.1:1", []string{`for=6.6.6.6;host="\", for=203.0.113.9;host="\\"`}, "203.0.113.9"},
		{"forwarded, a hidden port", fwd, "10.0.0.1:1", []string{`for="203.0.113.9:_x7"`}, "203.0.113.9"},
		{"forwarded, hidden", fwd, "10.0.0.1:1", []string{"for=203.0.113.9, for=_hidden"}, "10.0.0.1"},
		{"forwarded, unknown", fwd, "10.0.0.1:1", []string{"for=203.0.113.9, for=unknown, for=10.0.0.2"}, "10.0.0.2"},
		{"forwarded, quote left open by the client", fwd, "10.0.0.1:1", []string{`for="6.6.6.6, for=203.0.113.9, for=10.0.0.2`}, "203.0.113.9"},
		{"forwarded, quote left open", fwd, "10.0.0.1:1", []string{`for="203.0.113.9`}, "10.0.0.1"},
		{"forwarded, twice", fwd, "10.0.0.1:1", []string{"for=6.6.6.6;for=203.0.113.9"}, "10.0.0.1"},
		{"forwarded, no for", fwd, "10.0.0.1:1", []string{"by=10.0.0.1;proto=http"}, "10.0.0.1"},
		{"forwarded, no value", fwd, "10.0.0.1:1", []string{"for"}, "10.0.0.1"},
		{"forwarded, junk behind", fwd, "10.0.0.1:1", []string{`for="203.0.113.9"x`}, "10.0.0.1"},
		{"forwarded, not this one", fwd, "10.0.0.1:1", []string{"203.0.113.9"}, "10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := ClientAddr(AddrConfig{TrustedProxies: prefixes("10.0.0.0/8", "2001:db8:f::/48"), Header: c.header})
			require.NoError(t, err)
			r := from(c.peer, c.header, c.lines...)
			for _, other := range []string{xff, fwd, "X-Real-Ip", "True-Client-Ip"} {
				if other != http.CanonicalHeaderKey(c.header) {
					r.Header.Set(other, "for=6.6.6.6")
				}
			}
			got, ok := key(r)
			require.Equal(t, c.want, got)
			require.Equal(t, c.want != "", ok)
		})
	}
}

func TestClientAddrConfig(t *testing.T) {
	for want, c := range map[string]AddrConfig{
		"header X-Real-Ip is not read without TrustedProxies":                         {Header: "X-Real-IP"},
		`"a b" is not the name of a header`:                                           {Header: "a b"},
		"129 bits of an IPv6 address: want 1 to 128":                                  {IPv6Bits: 129},
		"-1 bits of an IPv6 address: want 1 to 128":                                   {IPv6Bits: -1},
		"trusted proxy 1 is not a valid prefix":                                       {TrustedProxies: append(prefixes("10.0.0.0/8"), netip.Prefix{})},
		"trusted proxies 0.0.0.0/0 are everybody, and everybody can forge the header": {TrustedProxies: prefixes("0.0.0.0/0")},
		"trusted proxies ::/0 are everybody, and everybody can forge the header":      {TrustedProxies: prefixes("::/0")},
	} {
		_, err := ClientAddr(c)
		require.EqualError(t, err, "ratelimit: ClientAddr: "+want)
	}
	trusted := []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)}
	key, err := ClientAddr(AddrConfig{TrustedProxies: trusted, IPv6Bits: 128})
	require.NoError(t, err)
	trusted[0] = prefixes("11.0.0.0/8")[0]
	got, ok := key(from("10.1.2.3:1", "X-Forwarded-For", "2001:db8::1"))
	require.True(t, ok)
	require.Equal(t, "2001:db8::1", got, "a prefix of IPv4 in IPv6 is one of IPv4, and there is a copy")
}

// An oracle for honest proxies: each appends whom it sees. Whatever a client sends before, its
// key is its own.
//
// Planted: an escaped quote that opens.
func TestClientAddrThroughProxies(t *testing.T) {
	random := seed.New(t)
	junk := []string{"6.6.6.6", "10.0.0.5", "unknown", `"`, `for="`, `\`, "for=10.0.0.7", "for=6.6.6.6", ";", "%", "[::", `for="a\`, ""}
	for _, header := range []string{"X-Forwarded-For", "Forwarded"} {
		key, err := ClientAddr(AddrConfig{TrustedProxies: prefixes("10.0.0.0/8"), Header: header})
		require.NoError(t, err)
		for range 2000 {
			var lines []string
			for range random.IntN(4) {
				line := junk[random.IntN(len(junk))]
				for range random.IntN(3) {
					line += []string{",", ", ", ";", ""}[random.IntN(4)] + junk[random.IntN(len(junk))]
				}
				lines = append(lines, line)
			}
			client := netip.AddrFrom4([4]byte{203, 0, 113, byte(random.IntN(256))})
			if random.IntN(2) == 0 {
				client = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(random.IntN(256)), 1})
			}
			seen := client
			for range random.IntN(4) {
				lines = forward(random, header, lines, seen)
				seen = netip.AddrFrom4([4]byte{10, 0, 0, byte(random.IntN(256))})
			}
			got, ok := key(from(netip.AddrPortFrom(seen, 80).String(), header, lines...))
			require.True(t, ok)
			require.Equal(t, client.String(), got, "%s: %q from %v", header, lines, seen)
		}
	}
}

// forward is what a proxy does to the header, in a line of its own or in the last one.
func forward(random *rand.Rand, header string, lines []string, seen netip.Addr) []string {
	hop := seen.String()
	if header == "Forwarded" {
		if hop = "for=" + hop; seen.Is6() {
			hop = fmt.Sprintf(`for="[%v]:%d"`, seen, 1024+random.IntN(60000))
		}
		hop = []string{"", "proto=https;", `host="a,\"b";`}[random.IntN(3)] + hop
	}
	if len(lines) > 0 && random.IntN(2) == 0 {
		lines[len(lines)-1] += ", " + hop
		return lines
	}
	return append(lines, hop)
}

// Nothing panics, the key is an address or none, and what somebody says who is not trusted
// changes nothing. What a client wrote changes nothing either, if a proxy wrote behind it.
func FuzzClientAddr(f *testing.F) {
	f.Add("10.0.0.1:80", "6.6.6.6, 203.0.113.9", "10.0.0.2", false)
	f.Add("[fe80::1%eth0]:80", "::ffff:1.2.3.4", "[::1]:80", false)
	f.Add("10.0.0.1:80", `for="[2001:db8::1]:_x";host="a\",b"`, `for=10.0.0.2;by=_me`, true)
	f.Fuzz(func(t *testing.T, peer, a, b string, forwarded bool) {
		header, honest, proxy := "X-Forwarded-For", "203.0.113.9", "10.0.0.2"
		if forwarded {
			header, honest, proxy = "Forwarded", `for="203.0.113.9:80"`, "for=10.0.0.2"
		}
		key, err := ClientAddr(AddrConfig{TrustedProxies: prefixes("10.0.0.0/8"), Header: header})
		require.NoError(t, err)
		got, ok := key(from(peer, header, a, b))
		require.Equal(t, ok, got != "")
		if ok {
			addr, err := netip.ParseAddr(got)
			require.NoError(t, err)
			require.Equal(t, addr.String(), got)
			require.Empty(t, addr.Zone())
			require.False(t, addr.Is4In6())
		}
		if plain, _ := key(from(peer, header)); !strings.HasPrefix(plain, "10.") {
			require.Equal(t, plain, got)
		}
		for _, lines := range [][]string{{a, b, honest}, {a, b + "," + honest}, {a, b + ", " + honest + " ," + proxy}} {
			got, _ = key(from("10.0.0.1:80", header, lines...))
			require.Equal(t, "203.0.113.9", got)
		}
	})
}

// Planted: a hash that can be sent as it is; one of two values; keys joined without their
// lengths; FirstKey without places.
func TestKeyFuncs(t *testing.T) {
	long := strings.Repeat("x", 65)
	header, cookie := HeaderKey("x-api-key"), CookieKey("session")
	for _, c := range []struct {
		name string
		key  KeyFunc
		r    *http.Request
		want string
	}{
		{"header", header, from("", "X-API-Key", "a"), "a"},
		{"header missing", header, from("", ""), ""},
		{"header empty", header, from("", "X-API-Key", ""), ""},
		{"header twice", header, from("", "X-API-Key", "a", "b"), ""},
		{"header as long as may be", header, from("", "X-API-Key", long[1:]), long[1:]},
		{"cookie", cookie, from("", "Cookie", "a=b; session=s"), "s"},
		{"cookie missing", cookie, from("", "Cookie", "a=b"), ""},
		{"cookie twice", cookie, from("", "Cookie", "session=s; session=t"), ""},
		{"joined", JoinKeys(header, cookie), from("", "X-API-Key", "a"), ""},
		{"first", FirstKey(cookie, header), from("", "X-API-Key", "a"), "1:a"},
		{"none", FirstKey(cookie, header), from("", ""), ""},
	} {
		got, ok := c.key(c.r)
		require.Equal(t, c.want, got, c.name)
		require.Equal(t, c.want != "", ok, c.name)
	}

	hashed, ok := header(from("", "X-API-Key", long))
	require.True(t, ok)
	require.Regexp(t, "^sha256:[0-9a-f]{64}$", hashed)
	again, _ := header(from("", "X-API-Key", hashed))
	require.NotEqual(t, hashed, again, "nobody can send the hash instead")

	both := func(a, b string) string {
		r := from("", "X-API-Key", a)
		r.Header.Set("Cookie", "session="+b)
		got, ok := JoinKeys(header, cookie)(r)
		require.True(t, ok)
		return got
	}
	require.NotEqual(t, both("ab", "c"), both("a", "bc"))
	require.NotEqual(t, both("a:b", "c"), both("a", "b:c"))
	require.NotEqual(t, both("a", "1:b"), both("a1:", "b"))

	address, err := ClientAddr(AddrConfig{})
	require.NoError(t, err)
	user, _ := FirstKey(header, address)(from("1.1.1.1:1", "X-API-Key", "2.2.2.2"))
	other, _ := FirstKey(header, address)(from("2.2.2.2:1", ""))
	require.NotEqual(t, user, other, "a user may call himself as he likes")

	for _, bad := range []func(){
		func() { HeaderKey("") }, func() { HeaderKey("a:b") }, func() { HeaderKey("host") }, func() { CookieKey("a;b") },
		func() { JoinKeys() }, func() { FirstKey() }, func() { JoinKeys(header, nil) }, func() { FirstKey(nil) },
	} {
		require.Panics(t, bad)
	}
}
