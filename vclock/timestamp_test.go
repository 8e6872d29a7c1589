package vclock

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// someTimestamps are in order, with those at the ends of everything.
func someTimestamps() (all []Timestamp) {
	for _, wall := range []int64{
		math.MinInt64, -1, 0, 1, 15, 16, 999_999, 1e6, 1_795_791_845_123_456_789, math.MaxInt64 - 1, math.MaxInt64,
	} {
		for _, logical := range []uint32{0, 1, 65_536, math.MaxUint32} {
			all = append(all, Timestamp{wall, logical})
		}
	}
	return all
}

// TestTimestampOrder: Compare is an order of all, and Pack keeps it, as far as it has it. Planted and
// caught: a Compare of Wall alone, of Logical first; Logical in the lower bits of Pack.
func TestTimestampOrder(t *testing.T) {
	all := someTimestamps()
	for i, v := range all {
		for j, w := range all {
			require.Equal(t, cmp.Compare(i, j), v.Compare(w), "%v %v", v, w)
			require.False(t, v.Compare(w) < 0 && v.Pack() > w.Pack(), "%v %v", v, w)
		}
	}
	r := seed.New(t)
	for range 10_000 {
		v := Timestamp{r.Int64N(3e6), r.Uint32N(1 << 20)}
		w := Timestamp{r.Int64N(3e6), r.Uint32N(1 << 20)}
		if c := v.Compare(w) * cmp.Compare(v.Pack(), w.Pack()); c < 0 {
			t.Fatal(v, w)
		}
		require.False(t, v.Wall >= w.Wall+16 && v.Pack() == w.Pack(), "16 ns are told apart: %v %v", v, w)
	}
}

// TestUnpack: it returns the least Timestamp that packs into the same. Planted and caught: a part
// of a millisecond that is rounded down, no check of what is after 2262.
func TestUnpack(t *testing.T) {
	require.Equal(t, uint64(0x0000_0000_0001_8000), Timestamp{Wall: 1_500_000}.Pack())
	r := seed.New(t)
	for range 10_000 {
		p := r.Uint64N(Timestamp{Wall: math.MaxInt64}.Pack() + 1)
		v, err := Unpack(p)
		require.NoError(t, err)
		require.Equal(t, p, v.Pack())
		require.Less(t, Timestamp{Wall: v.Wall - 1}.Pack(), max(p, 1))
	}
	last := Timestamp{Wall: math.MaxInt64}.Pack()
	v, err := Unpack(last)
	require.NoError(t, err)
	require.Equal(t, last, v.Pack())
	for _, p := range []uint64{last + 1, last + 1<<16, math.MaxUint64} {
		_, err = Unpack(p)
		require.ErrorIs(t, err, ErrExhausted)
	}
	require.ErrorContains(t, err, "Unpack(0xffffffffffffffff) is after 2262")
	require.Zero(t, Timestamp{Wall: -1}.Pack())
}

// TestTimestampBytes are known ones, and what is not canonical. Planted and caught: a Wall that is not doubled,
// a Logical that is cut to 32 bits.
func TestTimestampBytes(t *testing.T) {
	for want, v := range map[string]Timestamp{
		"200000":                           {},
		"20c80105":                         {100, 5},
		"200100":                           {Wall: -1},
		"20ffffffffffffffffff0100":         {Wall: math.MinInt64},
		"20feffffffffffffffff01ffffffff0f": {math.MaxInt64, math.MaxUint32},
	} {
		b, err := v.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(b))
		var w Timestamp
		require.NoError(t, w.UnmarshalBinary(b))
		require.Equal(t, v, w)
	}
	for bytes, said := range map[string]string{
		"":                    "byte 0: it ends here",
		"080000":              "byte 0: this is a Vector",
		"210000":              "byte 0: version 1 of its form: want 0",
		"20":                  "byte 1: it ends in a number",
		"2000":                "byte 2: it ends in a number",
		"20c8000500":          "byte 1: a number with needless bytes",
		"200080808080" + "10": "byte 2: 4294967296, at most 4294967295",
		"20000000":            "byte 3: 1 bytes after the end",
	} {
		b, err := hex.DecodeString(bytes)
		require.NoError(t, err)
		v := Timestamp{1, 2}
		err = v.UnmarshalBinary(b)
		require.ErrorIs(t, err, ErrCorrupt, bytes)
		require.ErrorContains(t, err, "vclock: corrupt Timestamp: "+said, bytes)
		require.Equal(t, Timestamp{1, 2}, v)
	}
}

// TestTimestampText: planted and caught: no check that it would be written so, nine digits that may be fewer.
func TestTimestampText(t *testing.T) {
	at := time.Date(2026, 11, 27, 16, 4, 5, 123456789, time.FixedZone("", 3600))
	require.Equal(t, "2026-11-27T15:04:05.123456789Z+5", Timestamp{at.UnixNano(), 5}.String())
	require.Equal(t, "1970-01-01T00:00:00.100000000Z", Timestamp{Wall: 1e8}.String())
	require.True(t, at.Equal(Timestamp{Wall: at.UnixNano()}.Time()))
	for _, v := range someTimestamps() {
		b, err := json.Marshal(map[Timestamp]Timestamp{v: v})
		require.NoError(t, err)
		require.Equal(t, `{"`+v.String()+`":"`+v.String()+`"}`, string(b))
		var w map[Timestamp]Timestamp
		require.NoError(t, json.Unmarshal(b, &w))
		require.Equal(t, map[Timestamp]Timestamp{v: v}, w)
	}
	for text, said := range map[string]string{
		"":                                          "cannot parse",
		"2026-11-27":                                "cannot parse",
		"2026-02-30T15:04:05.000000000Z":            "day out of range",
		"2026-11-27T15:04:05Z":                      "cannot parse",
		"2026-11-27T15:04:05.1Z":                    "cannot parse",
		"2026-11-27T15:04:05,123456789Z":            "want such as 2026-11-27T15:04:05.123456789Z",
		"2026-11-27T15:04:05.123456789+01:00":       "cannot parse",
		"2026-11-27T15:04:05.123456789Z+":           "invalid syntax",
		"2026-11-27T15:04:05.123456789Z+0":          "want such as 2026-11-27T15:04:05.123456789Z",
		"2026-11-27T15:04:05.123456789Z+05":         "want such as",
		"2026-11-27T15:04:05.123456789Z++5":         "invalid syntax",
		"2026-11-27T15:04:05.123456789Z+-5":         "invalid syntax",
		"2026-11-27T15:04:05.123456789Z+5 ":         "invalid syntax",
		"2026-11-27T15:04:05.123456789Z+4294967296": "out of range",
		"2600-01-01T00:00:00.000000000Z":            "want such as",
		"0001-01-01T00:00:00.000000000Z":            "want such as",
	} {
		v := Timestamp{1, 2}
		err := v.UnmarshalText([]byte(text))
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.ErrorContains(t, err, said, text)
		require.Equal(t, Timestamp{1, 2}, v)
	}
}

func FuzzTimestamp(f *testing.F) {
	for _, v := range someTimestamps() {
		b, _ := v.MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v, w Timestamp
		if v.UnmarshalBinary(b) != nil {
			require.Zero(t, v)
			return
		}
		again, err := v.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, again)
		require.NoError(t, w.UnmarshalText([]byte(v.String())))
		require.Equal(t, v, w)
	})
}

func FuzzTimestampText(f *testing.F) {
	for _, v := range someTimestamps() {
		f.Add(v.String())
	}
	f.Add("2026-11-27T15:04:05,123456789Z+0")
	f.Fuzz(func(t *testing.T, s string) {
		var v Timestamp
		if v.UnmarshalText([]byte(s)) != nil {
			require.Zero(t, v)
			return
		}
		require.Equal(t, s, v.String())
	})
}
