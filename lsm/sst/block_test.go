package sst

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestBlockFormat holds the worked example in block.go, byte by byte.
func TestBlockFormat(t *testing.T) {
	var b blockBuilder
	b.add([]byte("ant"), NewTrailer(7, Set), []byte("1"))
	b.add([]byte("anvil"), NewTrailer(8, Delete), nil)
	require.Equal(t, "000301"+"0107000000000000"+"616e7431"+
		"020300"+"0008000000000000"+"76696c"+
		"0000000001000000", hex.EncodeToString(b.finish()))
	require.Equal(t, "#8 delete", NewTrailer(8, Delete).String())
}

// TestBlockKind: an entry that neither sets nor deletes is damage.
func TestBlockKind(t *testing.T) {
	var b blockBuilder
	b.add([]byte("ant"), NewTrailer(7, Set+1), nil)
	block, err := parseBlock(b.finish())
	require.NoError(t, err)
	_, _, _, err = block.find([]byte("ant"), NewTrailer(9, Set))
	require.ErrorIs(t, err, errBadEntry)
}

// TestBlockFind holds find, which compares parts of keys, against the cursor, which
// puts them together and compares the whole.
func TestBlockFind(t *testing.T) {
	rng := seed.New(t)
	for range 300 {
		rows := randomRows(rng, 1+rng.IntN(80))
		var builder blockBuilder
		for _, r := range rows {
			builder.add([]byte(r.key), r.trailer, []byte(r.value))
		}
		require.Equal(t, builder.size(), len(builder.finish())+0*builder.count)
		block, err := parseBlock(builder.buf)
		require.NoError(t, err)
		for _, key := range probes(rng, rows) {
			trailer := Trailer(rng.Uint64N(uint64(256*len(rows) + 300)))
			var c cursor
			c.load(&block)
			c.seek([]byte(key), trailer)
			require.NoError(t, c.err)
			e, found, more, err := block.find([]byte(key), trailer)
			require.NoError(t, err)
			require.Equal(t, !c.valid(), more)
			require.Equal(t, c.equal([]byte(key)), found)
			if found {
				require.Equal(t, c.trailer, e.trailer)
				require.Equal(t, c.value, e.value)
			}
		}
	}
}

// FuzzBlock reads what is no block, or one that lies: there may be errors, but no
// panic, no endless walk and no memory beyond the block's.
func FuzzBlock(f *testing.F) {
	var b blockBuilder
	for _, r := range randomRows(rand.New(rand.NewPCG(1, 1)), 40) {
		b.add([]byte(r.key), r.trailer, []byte(r.value))
	}
	f.Add(b.finish(), []byte("ab"))
	f.Add([]byte("\x00\x00\x00\x00\x01\x00\x00\x00"), []byte{})
	f.Fuzz(func(t *testing.T, raw, key []byte) {
		raw = raw[:min(len(raw), 4096)]
		_, _ = parseIndex(raw)
		block, err := parseBlock(raw)
		if err != nil {
			return
		}
		_, _, _, _ = block.find(key, 500)
		var c cursor
		steps := 0
		walk := func(from, on func()) {
			c = cursor{}
			c.load(&block)
			for from(); c.valid(); on() {
				if steps++; steps > 2*4096*4096 {
					t.Fatal("an endless walk")
				}
			}
		}
		walk(c.first, c.forward)
		walk(func() { c.seek(key, 500) }, c.forward)
		walk(c.last, c.back)
	})
}

// TestSeparator tries all pairs of short keys.
func TestSeparator(t *testing.T) {
	keys := []string{""}
	for range 3 {
		for _, k := range slices.Clone(keys) {
			for _, b := range "\x00a\xff" {
				keys = append(keys, k+string([]byte{byte(b)}))
			}
		}
	}
	for _, a := range keys {
		for _, b := range keys {
			if a < b {
				s := string(separator([]byte(a), []byte(b)))
				require.True(t, a <= s && s < b, "%q between %q and %q", s, a, b)
				require.LessOrEqual(t, len(s), len(a))
			}
		}
	}
	require.Equal(t, "b", string(separator([]byte("abc"), []byte("zebra"))))
	require.Equal(t, "abc", string(separator([]byte("abc"), []byte("abd"))))
}

func TestCompare(t *testing.T) {
	require.Negative(t, Compare([]byte("a"), NewTrailer(1, Set), []byte("a\x00"), NewTrailer(MaxSeq, Set)))
	require.Negative(t, Compare([]byte("a"), NewTrailer(9, Set), []byte("a"), NewTrailer(8, Set)))
	require.Zero(t, Compare(nil, 7, []byte{}, 7))
	require.Negative(t, Compare([]byte("a"), Latest(8), []byte("a"), NewTrailer(8, Set)))
	require.Positive(t, Compare([]byte("a"), Latest(7), []byte("a"), NewTrailer(8, Delete)))
}
