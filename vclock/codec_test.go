package vclock

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// badCodec cannot write.
type badCodec struct{}

func (badCodec) Append([]byte, int) ([]byte, error)  { return nil, errCannot }
func (badCodec) Parse(b []byte) (int, []byte, error) { return 1, b[1:], nil }

// sloppyCodec reads more than it writes: small letters for large ones.
type sloppyCodec struct{}

func (sloppyCodec) Append(b []byte, v byte) ([]byte, error) { return append(b, v&^0x20), nil }
func (sloppyCodec) Parse(b []byte) (byte, []byte, error)    { return b[0] &^ 0x20, b[1:], nil }

// growingCodec returns more than is left.
type growingCodec struct{}

func (growingCodec) Append(b []byte, v byte) ([]byte, error) { return b, nil }
func (growingCodec) Parse(b []byte) (byte, []byte, error)    { return 0, make([]byte, len(b)+1), nil }

func roundTrip[V any](t *testing.T, codec Codec[V], v V, want string) {
	t.Helper()
	b, err := codec.Append([]byte("x"), v)
	require.NoError(t, err)
	require.Equal(t, "78"+want, hex.EncodeToString(b))
	got, rest, err := codec.Parse(append(b[1:], "more"...))
	require.NoError(t, err)
	require.Equal(t, v, got)
	require.Equal(t, "more", string(rest))
}

func TestCodecs(t *testing.T) {
	roundTrip(t, StringCodec{}, "", "00")
	roundTrip(t, StringCodec{}, "é\xff", "03c3a9ff")
	roundTrip(t, BytesCodec{}, nil, "00")
	roundTrip(t, BytesCodec{}, []byte{7, 0}, "020700")
	roundTrip(t, Uint64Codec{}, 300, "ac02")
	roundTrip(t, Uint64Codec{}, 1<<64-1, "ffffffffffffffffff01")
	for text, said := range map[string]string{
		"":                       "it ends in a number",
		"80":                     "it ends in a number",
		"8000":                   "a number with needless bytes",
		"ffffffffffffffffff02":   "a number of more than 64 bits",
		"0261":                   "2 bytes, but 1 are left",
		"ffffffffffffffffff0161": "18446744073709551615 bytes, but 1 are left",
	} {
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		_, _, err = StringCodec{}.Parse(b)
		require.EqualError(t, err, said, text)
		_, _, err = BytesCodec{}.Parse(b)
		require.EqualError(t, err, said, text)
		if _, _, err = (Uint64Codec{}).Parse(b); len(b) != 2 && len(b) != 11 {
			require.EqualError(t, err, said, text)
		}
	}
	b := []byte{1, 7}
	v, _, err := BytesCodec{}.Parse(b)
	require.NoError(t, err)
	b[1] = 8
	require.Equal(t, []byte{7}, v, "a copy")
}

// TestParseValueTrustsNobody: a codec that would write otherwise what it has read, or says that more is left than
// there was, is refused. Planted and caught: each of these let through, and a codec that cannot write what it has
// read.
func TestParseValueTrustsNobody(t *testing.T) {
	read := func(text string) *Decoder { return NewDecoder(ErrCorrupt, kindDVVSet.String(), []byte(text)) }
	d := read("Ab")
	require.Equal(t, byte('A'), ParseValue(d, sloppyCodec{}))
	require.Equal(t, 1, d.at)
	require.Zero(t, ParseValue(d, sloppyCodec{}))
	require.EqualError(t, d.err, "vclock: corrupt DVVSet: byte 1: a value that its codec would write otherwise")
	require.Zero(t, ParseValue(d, sloppyCodec{}), "the first error stays")
	d = read("a")
	ParseValue(d, growingCodec{})
	require.ErrorContains(t, d.End(), "returns more than there was")
	d = read("a")
	require.Zero(t, ParseValue(d, badCodec{}))
	require.ErrorIs(t, d.End(), ErrCorrupt)
}

func FuzzCodecs(f *testing.F) {
	f.Add([]byte{3, 'a', 'b', 'c', 0x80, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzCodec(t, b, StringCodec{})
		fuzzCodec(t, b, BytesCodec{})
		fuzzCodec(t, b, Uint64Codec{})
	})
}

func fuzzCodec[V any](t *testing.T, b []byte, codec Codec[V]) {
	v, rest, err := codec.Parse(b)
	if err != nil {
		return
	}
	again, err := codec.Append(nil, v)
	require.NoError(t, err)
	require.Equal(t, b, append(again, rest...))
}
