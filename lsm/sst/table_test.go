package sst

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// sample is a small table with everything in it.
func sample() ([]row, WriterOptions) {
	rows := randomRows(rand.New(rand.NewPCG(5, 5)), 60)
	return rows, WriterOptions{Number: 7, BlockSize: 300, Compression: S2, BloomBitsPerKey: 10}
}

func contents(t *testing.T, f vfs.File) []byte {
	size, err := f.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	return b
}

func fileWith(t *testing.T, b []byte) vfs.File {
	f, err := vfs.NewMem().Open("x", vfs.Create, "test")
	require.NoError(t, err)
	_, err = f.WriteAt(b, 0)
	require.NoError(t, err)
	return f
}

// TestEveryFlip flips every bit of a table, one after the other: Open, Verify or a
// walk reports ErrCorrupt, or ErrVersion, and nobody returns an entry that was not
// written. Planted and caught: a footer without its checksum, frames whose last
// byte is not checked.
func TestEveryFlip(t *testing.T) {
	rows, o := sample()
	whole := contents(t, fileOf(t, rows, o))
	for i := range 8 * len(whole) {
		damaged := bytes.Clone(whole)
		damaged[i/8] ^= 1 << (i % 8)
		table, err := Open(fileWith(t, damaged), Options{Number: o.Number})
		if err == nil {
			err = table.Verify()
			at, it := 0, table.NewIterator()
			for it.First(); it.Valid(); it.Next() {
				require.Equal(t, rows[at], row{string(it.Key()), it.Trailer(), string(it.Value())}, "bit %d", i)
				at++
			}
			require.ErrorIs(t, it.Err(), ErrCorrupt, "bit %d", i)
		}
		require.Error(t, err, "bit %d", i)
		require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion), "bit %d: %v", i, err)
	}
}

// TestEveryCut shortens the table to every length, and lengthens it.
func TestEveryCut(t *testing.T) {
	rows, o := sample()
	whole := contents(t, fileOf(t, rows, o))
	for n := range len(whole) {
		_, err := Open(fileWith(t, whole[:n]), Options{Number: o.Number})
		require.ErrorIs(t, err, ErrCorrupt, "%d bytes", n)
	}
	_, err := Open(fileWith(t, append(whole, whole[len(whole)-footerSize:]...)), Options{Number: o.Number})
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, err, errOtherSize)
}

// A file that is cut while it is open is damage, and not an end of the entries.
func TestCutWhileOpen(t *testing.T) {
	rows, o := sample()
	f := fileOf(t, rows, o)
	table, err := Open(f, Options{Number: o.Number})
	require.NoError(t, err)
	require.NoError(t, f.Truncate(10))
	_, _, _, err = table.Get([]byte(rows[0].key), MaxSeq)
	require.ErrorIs(t, err, ErrCorrupt)
	it := table.NewIterator()
	it.Last()
	require.False(t, it.Valid())
	require.ErrorIs(t, it.Err(), errCutShort)
}

// What lies elsewhere than where it was written is no part of a table.
func TestMisplaced(t *testing.T) {
	rows, o := sample()
	f := fileOf(t, rows, o)
	_, err := Open(f, Options{Number: 8})
	require.ErrorIs(t, err, errForeign)

	// Two tables of the same entries differ in nothing but their number; and two
	// frames of the same length change places.
	same := []row{{"a", NewTrailer(1, Set), "x"}, {"b", NewTrailer(1, Set), "x"}}
	first := contents(t, fileOf(t, same, WriterOptions{Number: 1, BlockSize: 1}))
	second := contents(t, fileOf(t, same, WriterOptions{Number: 2, BlockSize: 1}))
	table := tableOf(t, same, WriterOptions{Number: 1, BlockSize: 1}, nil)
	h, g := table.index.blocks[0], table.index.blocks[1]
	require.Equal(t, h.length, g.length)
	for name, damaged := range map[string][]byte{
		"another table's": append(bytes.Clone(second[:h.length]), first[h.length:]...),
		"swapped":         append(append(bytes.Clone(first[g.offset:g.end()]), first[:h.end()]...), first[g.end():]...),
	} {
		table, err := Open(fileWith(t, damaged), Options{Number: 1})
		require.NoError(t, err)
		_, _, _, err = table.Get([]byte("a"), MaxSeq)
		require.ErrorIs(t, err, errChecksum, name)
		require.ErrorContains(t, err, "table 1, block 0 at offset 0")
	}
}

// TestEveryFault makes each operation of writing and of reading fail once: the
// error comes back, and is not called damage.
func TestEveryFault(t *testing.T) {
	rows, o := sample()
	broken := errors.New("broken")
	for at := 1; ; at++ {
		in := vfs.Inject(vfs.NewMem(), vfs.Fault{At: at, Err: broken})
		err := writeAndRead(t, in, rows, o)
		if !in.Fired() {
			require.NoError(t, err)
			require.Greater(t, at, 5)
			return
		}
		require.ErrorIs(t, err, broken, "operation %d", at)
		require.NotErrorIs(t, err, ErrCorrupt)
	}
}

func writeAndRead(t *testing.T, fsys vfs.FS, rows []row, o WriterOptions) error {
	f, err := fsys.Open("x", vfs.Create, "test")
	if err != nil {
		return err
	}
	w := NewWriter(f, o)
	for _, r := range rows {
		if err := w.Add([]byte(r.key), r.trailer, []byte(r.value)); err != nil {
			return err
		}
	}
	if _, err := w.Finish(); err != nil {
		_, again := w.Finish()
		require.Equal(t, err, again, "an error is final")
		require.Equal(t, err, w.Add([]byte("\xff\xff\xff\xff"), 1, nil))
		return err
	}
	table, err := Open(f, Options{Number: o.Number})
	if err != nil {
		return err
	}
	it := table.NewIterator()
	n := 0
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	if it.Err() != nil {
		return it.Err()
	}
	require.Equal(t, len(rows), n)
	if _, _, _, err := table.Get([]byte("a"), 7); err != nil {
		return err
	}
	return f.Close()
}

func TestBadInput(t *testing.T) {
	f := fileWith(t, nil)
	w := NewWriter(f, WriterOptions{})
	require.NoError(t, w.Add([]byte("b"), NewTrailer(7, Set), nil))
	require.ErrorIs(t, w.Add([]byte("b"), NewTrailer(7, Set), nil), ErrOrder)
	_, err := w.Finish()
	require.ErrorIs(t, err, ErrOrder)
	require.ErrorContains(t, err, `"b" #7 set behind "b" #7 set`)
	require.ErrorIs(t, NewWriter(f, WriterOptions{}).Add([]byte("b"), NewTrailer(7, Set+1), nil), errKind)

	require.ErrorIs(t, NewWriter(f, WriterOptions{}).Add(make([]byte, MaxKeySize+1), 0, nil), ErrTooLarge)
	require.NoError(t, NewWriter(f, WriterOptions{}).Add(make([]byte, MaxKeySize), 0, nil))
	require.NoError(t, NewWriter(f, WriterOptions{}).Add(nil, 0, nil))

	for _, b := range [][]byte{nil, []byte("x"), make([]byte, 64), bytes.Repeat([]byte("plinth.t"), 40)} {
		_, err := Open(fileWith(t, b), Options{})
		require.ErrorIs(t, err, ErrCorrupt)
		require.NotErrorIs(t, err, fs.ErrNotExist)
	}
}

// TestFinishAgain: a table that is finished takes no more and stays as it is. Planted
// and caught: a second Finish that writes the end once more.
func TestFinishAgain(t *testing.T) {
	f := fileWith(t, nil)
	w := NewWriter(f, WriterOptions{})
	require.NoError(t, w.Add([]byte("b"), NewTrailer(7, Set), nil))
	first, err := w.Finish()
	require.NoError(t, err)
	require.ErrorIs(t, w.Add([]byte("c"), NewTrailer(7, Set), nil), ErrFinished)
	again, err := w.Finish()
	require.NoError(t, err)
	require.Equal(t, first, again)
	table, err := Open(f, Options{})
	require.NoError(t, err)
	require.NoError(t, table.Verify())
	require.Equal(t, first, table.Properties())
}

// TestIndexOfKeysThatBeginAlike searches where the numbers that the index compares are
// all the same, since one key keeps the others from having a beginning in common: it
// finds the first separator that is not before the key, as a walk does. Planted and
// caught: a search that ends at the first or behind the last of them.
func TestIndexOfKeysThatBeginAlike(t *testing.T) {
	var b blockBuilder
	add := func(key string, i int64) { b.add([]byte(key), 0, appendHandle(nil, handle{i * 100, 100})) }
	add("another", 0)
	for i := range int64(500) {
		add(fmt.Sprintf("https://example.org/%06d", i*10), i+1)
	}
	x, err := parseIndex(b.finish())
	require.NoError(t, err)
	for i := range 6000 {
		key := fmt.Appendf(nil, "https://example.org/%06d", i)
		want := 0
		for want < len(x.blocks) && bytes.Compare(x.separator(want), key) < 0 {
			want++
		}
		require.Equal(t, want, x.search(key))
	}
	require.Equal(t, 0, x.search([]byte("a")))
	require.Equal(t, len(x.blocks), x.search([]byte("https://z")))
}

// FuzzOpen reads files that are no tables.
func FuzzOpen(f *testing.F) {
	rows, o := sample()
	whole := fileOf(f, rows, o)
	size, _ := whole.Size()
	b := make([]byte, size)
	_, _ = whole.ReadAt(b, 0)
	f.Add(b, uint16(9), byte(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, x byte) {
		if len(b) > 0 {
			b[int(at)%len(b)] ^= x
		}
		table, err := Open(fileWith(t, b), Options{Number: 7})
		if err != nil {
			return
		}
		_ = table.Verify()
		_, _, _, _ = table.Get([]byte("a"), 7)
		it := table.NewIterator()
		for it.Last(); it.Valid(); it.Prev() {
		}
	})
}

// TestGetIsTheCallers: values stay as they are when further blocks are read into the same
// memory, and whoever changes one changes nothing else. Planted and caught: a Get that
// returns a part of the block, a cache that is given the memory that is used again.
func TestGetIsTheCallers(t *testing.T) {
	rows, o := sample()
	for _, cache := range []Cache{nil, mapCache{}} {
		table := tableOf(t, rows, o, cache)
		values := make([][]byte, len(rows))
		for _, change := range []bool{false, true} {
			for i, r := range rows {
				value, _, ok, err := table.Get([]byte(r.key), r.trailer.Seq())
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, r.value, string(value))
				values[i] = value
			}
			for i, r := range rows {
				require.Equal(t, r.value, string(values[i]))
				if change {
					clear(values[i])
				}
			}
		}
		require.NoError(t, table.Verify())
		for _, r := range rows {
			value, _, _, err := table.Get([]byte(r.key), r.trailer.Seq())
			require.NoError(t, err)
			require.Equal(t, r.value, string(value))
		}
	}
}
