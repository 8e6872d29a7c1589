package ratelimit

import (
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"strings"
)

// AddrConfig says how ClientAddr finds an address. It is not safe for concurrent use while
// it is changed; ClientAddr has a copy.
type AddrConfig struct {
	// TrustedProxies are those whose word is believed. None: the key is the address of
	// whoever has connected. They must not contain clients, who could forge anything then.
	TrustedProxies []netip.Prefix

	// Header is where they write whom they speak for. "": X-Forwarded-For. Forwarded has a
	// grammar of its own (RFC 7239); every other one is a list of addresses. There is only
	// one: a proxy that writes one header lets pass what a client has written in the others.
	Header string

	// IPv6Bits is how much of an IPv6 address counts. 0: 64, because a client has as many
	// addresses as it likes within a network of its own.
	IPv6Bits int
}

// ClientAddr returns a KeyFunc whose key is the address of the client. There is no key if
// the peer has no IP address, as with a Unix socket: if the proxy there sets a header, use
// FirstKey with a HeaderKey behind this one.
//
// What a client says of itself is forged. A proxy appends to the header the address that it
// sees, so the truth is at the right end of it, as far as those who wrote it are trusted:
//
//	X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.2        from 10.0.0.1
//	                 |        |            |                    |
//	                 forged   the client   trusted              trusted
//
// The walk goes to the left, from the peer, as long as an address is that of a trusted
// proxy. It ends at the first one that is not, which is the client; or at the left end; or
// before something that is no address, and then the proxy that wrote it is taken for the
// client.
//
// It returns an error if TrustedProxies have an invalid prefix, or one that is everything.
func ClientAddr(config AddrConfig) (KeyFunc, error) {
	c, err := newClientAddr(config)
	if err != nil {
		return nil, fmt.Errorf("ratelimit: ClientAddr: %w", err)
	}
	return c.key, nil
}

// clientAddr is immutable, and safe for concurrent use.
type clientAddr struct {
	trusted []netip.Prefix
	header  string
	bits    int
}

func newClientAddr(config AddrConfig) (*clientAddr, error) {
	c := &clientAddr{header: "X-Forwarded-For", bits: 64}
	if config.Header != "" {
		c.header = http.CanonicalHeaderKey(config.Header)
		if !isToken(config.Header) {
			return nil, fmt.Errorf("%q is not the name of a header", config.Header)
		}
		if len(config.TrustedProxies) == 0 {
			return nil, fmt.Errorf("header %s is not read without TrustedProxies", c.header)
		}
	}
	if config.IPv6Bits != 0 {
		c.bits = config.IPv6Bits
	}
	if c.bits < 1 || c.bits > 128 {
		return nil, fmt.Errorf("%d bits of an IPv6 address: want 1 to 128", c.bits)
	}
	for i, p := range config.TrustedProxies {
		if p.IsValid() && p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		switch {
		case !p.IsValid():
			return nil, fmt.Errorf("trusted proxy %d is not a valid prefix", i)
		case p.Bits() == 0:
			return nil, fmt.Errorf("trusted proxies %v are everybody, and everybody can forge the header", p)
		}
		c.trusted = append(c.trusted, p)
	}
	return c, nil
}

func (c *clientAddr) key(r *http.Request) (string, bool) {
	addr, ok := parseAddr(r.RemoteAddr)
	if !ok {
		return "", false
	}
	if c.trusts(addr) {
		addr = c.walk(addr, r.Header[c.header])
	}
	if addr.Is6() {
		p, err := addr.Prefix(c.bits)
		if err != nil {
			return "", false
		}
		addr = p.Addr()
	}
	return addr.String(), true
}

func (c *clientAddr) trusts(addr netip.Addr) bool {
	for _, p := range c.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// walk goes on from a trusted proxy.
func (c *clientAddr) walk(proxy netip.Addr, lines []string) netip.Addr {
	forwarded := c.header == "Forwarded"
	for hop := range hops(lines, forwarded) {
		ok := true
		if forwarded {
			hop, ok = forwardedFor(hop)
		}
		addr, valid := parseAddr(hop)
		if !ok || !valid {
			return proxy
		}
		if !c.trusts(addr) {
			return addr
		}
		proxy = addr
	}
	return proxy
}

// hops yields what is between the commas, from the right. Empty ones do not count. In
// quotes a comma is none. It must come from the right, where the proxies have written: a
// client that opens a quote and does not close it would hide what they wrote.
func hops(lines []string, quotes bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(lines) - 1; i >= 0; i-- {
			for line, more := lines[i], true; more; {
				comma := lastComma(line, quotes)
				hop := strings.Trim(line[comma+1:], " \t")
				if more = comma >= 0; more {
					line = line[:comma]
				}
				if hop != "" && !yield(hop) {
					return
				}
			}
		}
	}
}

// lastComma returns where the last comma is, not counting those in quotes, or -1.
func lastComma(s string, quotes bool) int {
	quoted := false
	for i := len(s) - 1; i >= 0; i-- {
		switch {
		case s[i] == ',' && !quoted:
			return i
		case s[i] == '"' && quotes:
			before := strings.TrimRight(s[:i], `\`)
			if !quoted || (i-len(before))%2 == 0 { // a quote after a backslash opens nothing
				quoted = !quoted
			}
		}
	}
	return -1
}

// forwardedFor returns the for of an element of Forwarded, such as
//
//	for="[2001:db8::1]:4711";proto=https;by=203.0.113.43
//
// if there is one, and all of it is well-formed. A port that is made up (_hidden) is cut
// off; a name that is made up is left, and no address.
func forwardedFor(element string) (node string, ok bool) {
	found := false
	for rest, more := element, true; more; {
		if rest = strings.TrimLeft(rest, " \t;"); rest == "" {
			break // a pair may be empty
		}
		name, value, _ := strings.Cut(rest, "=")
		if value, rest, ok = cutValue(value); !ok || !isToken(name) {
			return "", false
		}
		if strings.EqualFold(name, "for") {
			if found {
				return "", false
			}
			node, found = value, true
		}
		rest = strings.TrimLeft(rest, " \t")
		if more = rest != ""; more && rest[0] != ';' {
			return "", false
		}
	}
	if host, port, colon := cutLast(node, ":_"); colon && isToken(port) {
		node = host
	}
	return node, found
}

// cutValue takes a token or a quoted string off the front.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, "; \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], isToken(s[:end])
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// parseAddr reads an address with or without a port, in brackets or not if it is IPv6. The
// zone of an address, which only its own machine understands, is cut off, and an IPv4
// address in IPv6 is one of IPv4.
func parseAddr(s string) (netip.Addr, bool) {
	const longest = 64 // of an IPv6 address with zone and port; a zone is kept in memory
	if len(s) > longest {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(s)
	if err != nil && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		if addr, err = netip.ParseAddr(s[1 : len(s)-1]); err == nil && addr.Is4() {
			return netip.Addr{}, false
		}
	} else if err != nil {
		var port netip.AddrPort
		port, err = netip.ParseAddrPort(s)
		addr = port.Addr()
	}
	return addr.Unmap().WithZone(""), err == nil
}
