package vclock

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestNameBytes are known ones.
func TestNameBytes(t *testing.T) {
	const uuid = "e58ed763-928c-4155-bee9-fdbaaadc15f3"
	host := func(id ID) string {
		return hex.EncodeToString(appendHost(nil, id))
	}
	long := strings.Repeat("é", 31) + "!"
	for _, c := range []struct{ before, id, want string }{
		{"", "x", "01" + "78"},
		{"", "node-1", "86" + "938d" + "5d21"},
		{"node-1", "node-12", "61" + "32"},
		{"node-12", "x", "01" + "78"},
		{"", "c0ffee00", "48" + "c0ffee00"},
		{"c0ffee00", "c0ffee5a", "6e" + "5a"},
		{"", "c0ffee0", "47" + "c0ffee00"},
		{"a", "c0ffee0", "0b07" + "c0ffee00"},
		{"a", "abcd", "13" + "626364"},     // hex takes two bytes, and one for the length
		{"a", "abcdef", "1b05" + "bcdef0"}, // three, and one for the length
		{"aaaa", "abcd", "1e" + "bcd0"},    // no length
		{"", "hi", "02" + "6869"},          // host takes two, too
		{"a:9", "b.z", "0f" + "4aab"},      // 11, 37, 35
		{"", "Ä", "02" + "c384"},
		{"", "Ten plain!", "0a" + "54656e20706c61696e21"},
		{"Sen plain!", "Ten plain!", "0d" + "54656e20706c61696e21"},
		{"Sen", "Ten plain!", "0a0a" + "54656e20706c61696e21"},
		{"", uuid, "64" + "e58ed763928c4155bee9fdbaaadc15f3"},
		{uuid, "e58ed763-9fff-0000-0000-000000000000", "ae" + "fff" + "0000" + "0000" + "000000000000" + "0"},
		{"", uuid[:35], "a3" + host(ID(uuid[:35]))}, // no dashes are implied
		{"", strings.ReplaceAll(uuid, "-", "0"), "a4" + host(ID(strings.ReplaceAll(uuid, "-", "0")))},
		{"", long, "3f00" + hex.EncodeToString([]byte(long))}, // 63 bytes
		{long, long + "?", "f130" + "3f"},
		{"0a0a0a0a0100100001000100", "0a0a0a0a0100100111110101001001110010001110", "fb001b" + "1111101010010011100100011100"}, // sharing 14 would save a byte
	} {
		b := AppendID(nil, ID(c.before), ID(c.id))
		require.Equal(t, c.want, hex.EncodeToString(b), "%q after %q", c.id, c.before)
		d := NewDecoder(ErrCorrupt, "name", b)
		require.Equal(t, ID(c.id), d.ID(ID(c.before)))
		require.NoError(t, d.End())
	}
}

// TestNamesHaveOneForm writes names in all ways that there are: AppendID has found the shortest, or one that takes a byte more
// because it shares 15, and a decoder takes no other. Planted and caught: a decoder that does not ask for the packing, for what is shared, or for the
// head; a length that is never left out; dashes of a UUID that take a place.
func TestNamesHaveOneForm(t *testing.T) {
	r := seed.New(t)
	ways := 0
	for range 3000 {
		before, id := randomName(r), randomName(r)
		if r.IntN(4) == 0 {
			before = ""
		} else if before > id {
			before, id = id, before
		}
		if before == id {
			continue
		}
		canonical := AppendID(nil, before, id)
		d := NewDecoder(ErrCorrupt, "name", canonical)
		require.Equal(t, id, d.ID(before), "after %q", before)
		require.NoError(t, d.End())
		for _, b := range allForms(before, id) {
			ways++
			spare := 0
			if sharedPrefix(before, id) == sharedMost {
				spare = 1
			}
			require.GreaterOrEqual(t, len(b)+spare, len(canonical), "%q after %q", id, before)
			d := NewDecoder(ErrCorrupt, "name", b)
			if read := d.ID(before); !bytes.Equal(b, canonical) && d.End() == nil {
				require.Fail(t, "another form", "%q after %q: %x reads as %q", id, before, b, read)
			}
		}
	}
	require.Greater(t, ways, 10000)
}

// randomName is often of one length, or of one alphabet, or both.
func randomName(r *rand.Rand) ID {
	alphabet := []string{digits[:2], digits[:16], digits, digits[:10] + "ABé"}[r.IntN(4)]
	length := []int{1, 2, 3, 8, 8, 16, 36, 36, 70}[r.IntN(9)]
	if r.IntN(4) == 0 {
		length = 1 + r.IntN(80)
	}
	name := []byte(strings.Repeat("0a", 20)[:r.IntN(10)])
	for len(name) < length {
		if len(alphabet) == 16 && nextDash(length, len(name)) == len(name) && r.IntN(50) > 0 {
			name = append(name, '-')
		} else {
			name = append(name, alphabet[r.IntN(len(alphabet))])
		}
	}
	return ID(strings.ToValidUTF8(string(name), "?"))
}

// TestHex writes and reads the rests of names beside a form that goes digit by digit. Planted and caught: a half of a
// byte that is lost at a dash, a pair that goes across one.
func TestHex(t *testing.T) {
	r := seed.New(t)
	for range 2000 {
		id := randomUUID(r)
		if r.IntN(2) == 0 {
			id = ID(strings.ReplaceAll(string(id), "-", "")[:1+r.IntN(32)])
		}
		for shared := range id {
			packed := naiveAppendHex(nil, id, shared)
			require.Equal(t, packed, appendHex(nil, id, shared), "%v from %d", id, shared)
			require.Len(t, packed, packHex.size(len(id), shared))
			require.Equal(t, string(id), string(naiveParseHex([]byte(id[:shared]), packed, len(id))))
			require.Equal(t, string(id), string(parseHex([]byte(id[:shared]), packed, len(id))))
		}
	}
}

func naiveAppendHex(b []byte, id ID, shared int) []byte {
	upper := true
	for at := shared; at < len(id); at++ {
		switch n := digit(id[at]); {
		case nextDash(len(id), at) == at:
			continue
		case upper:
			b = append(b, n<<4)
		default:
			b[len(b)-1] |= n
		}
		upper = !upper
	}
	return b
}

func naiveParseHex(name, b []byte, length int) []byte {
	for half := 0; len(name) < length; {
		if nextDash(length, len(name)) == len(name) {
			name = append(name, '-')
			continue
		}
		name = append(name, digits[b[half/2]>>(4-half%2*4)&15])
		half++
	}
	return name
}

// allForms writes a name with each packing that has its characters, each way to say its length, and less shared
// than there is.
func allForms(before, id ID) (forms [][]byte) {
	longest := sharedPrefix(before, id)
	for pack := range packings {
		for shared := max(0, longest-2); shared <= longest; shared++ {
			if !pack.has(id, shared) {
				continue
			}
			packed := pack.append(nil, id, shared)
			rest := len(id) - shared
			var heads [][]byte
			switch {
			case before != "":
				heads = append(heads, binary.AppendUvarint(appendShared(nil, shared, restGiven+int(pack)), uint64(rest)))
				if pack == packPlain && rest <= restPlain {
					heads = append(heads, appendShared(nil, shared, rest))
				}
				if len(before) == len(id) {
					heads = append(heads, appendShared(nil, shared, restSame+int(pack)))
				}
			case len(id) >= firstMost:
				heads = append(heads, binary.AppendUvarint([]byte{byte(pack)<<6 | firstMost}, uint64(len(id)-firstMost)))
			default:
				heads = append(heads, []byte{byte(pack)<<6 | byte(len(id))})
			}
			for _, head := range heads {
				forms = append(forms, append(head, packed...))
			}
		}
	}
	return forms
}

// TestDigits says that the two tables are one.
func TestDigits(t *testing.T) {
	for c := range 256 {
		want := strings.IndexByte(digits, byte(c))
		if want < 0 {
			want = len(digits)
		}
		require.Equal(t, want, int(digit(byte(c))), "%q", c)
	}
}

// TestNamesOfBadBytes cuts and changes what is right.
func TestNamesOfBadBytes(t *testing.T) {
	for _, c := range []struct{ bytes, said string }{
		{"", "byte 0: it ends here"},
		{"c1", "byte 0: a name of 1 bytes with packing 3"},
		{"46", "byte 1: 3 bytes, but 0 are left"},
		{"47c0ffee01", "byte 0: a name that is written otherwise"}, // half a byte too much
		{"83ffff", "byte 0: a name with a number that is no character"},
		{"83fa00", "byte 0: a name with a number that is no character"},     // 64000
		{"84938d28", "byte 0: a name with a number that is no character"},   // 40
		{"85938d0640", "byte 0: a name with a number that is no character"}, // 1600
		{"01ff", "byte 0: vclock: bad ID: \"\\xff\" is not UTF-8"},
		{"3fff01", "byte 0: a name of 318 bytes, at most 255"},
		{"3f8000", "byte 1: a number with needless bytes"},
	} {
		b, err := hex.DecodeString(c.bytes)
		require.NoError(t, err)
		d := NewDecoder(ErrCorrupt, "name", b)
		require.Empty(t, d.ID(""), c.bytes)
		require.EqualError(t, d.End(), "vclock: corrupt name: "+c.said, c.bytes)
	}
}

// TestNamesShrink says that random names take half of what they do as JSON, with numbers of any length.
func TestNamesShrink(t *testing.T) {
	r := seed.New(t)
	for _, n := range []int{3, 16, 256} {
		for kind, name := range map[string]func() string{
			"8 hex digits":  func() string { return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, r.Uint32())) },
			"16 hex digits": func() string { return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, r.Uint64())) },
			"UUIDs":         func() string { return string(randomUUID(r)) },
		} {
			counts := map[ID]uint64{}
			for len(counts) < n {
				counts[ID(name())] = 1 + r.Uint64N(1<<r.IntN(62))
			}
			v := vec(t, counts)
			b, err := v.MarshalBinary()
			require.NoError(t, err)
			text, err := v.MarshalJSON()
			require.NoError(t, err)
			require.LessOrEqual(t, 2*len(b), len(text), "%d %s", n, kind)
		}
	}
}

func randomUUID(r *rand.Rand) ID {
	h := hex.EncodeToString(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.Uint64()), r.Uint64()))
	return ID(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}
