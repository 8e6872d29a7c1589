package btree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
)

// findNaive is what page.find is measured against and compared with: bisecting whole keys.
func findNaive(p *page, key []byte) (i int, found bool) {
	lo, hi := 0, p.count()
	for lo < hi {
		m := int(uint(lo+hi) / 2)
		if bytes.Compare(p.key(m), key) < 0 {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo, lo < p.count() && bytes.Equal(p.key(lo), key)
}

// filledPage has as many of the keys as fit.
func filledPage(keys [][]byte, size, valueLen int) *page {
	p := &page{id: 2, tx: 1, data: make([]byte, size)}
	p.format(leafPage, 0)
	for _, key := range keys {
		cell := leafCell(nil, key, make([]byte, valueLen))
		if i, found := findNaive(p, key); !found && p.fits(len(cell)) {
			p.insert(i, cell, len(key), false)
		}
	}
	return p
}

func TestFind(t *testing.T) {
	r := seed.New(t)
	alphabets := []string{"ab", "\x00a", "\x00\x01\xff", "abcdefghij"}
	for range 300 {
		alphabet, most := alphabets[r.IntN(len(alphabets))], 1+r.IntN(12)
		word := func() []byte {
			b := make([]byte, r.IntN(most))
			for i := range b {
				b[i] = alphabet[r.IntN(len(alphabet))]
			}
			return append([]byte("same"[:r.IntN(2)*4]), append(b, alphabet[0])...)
		}
		var keys [][]byte
		for range r.IntN(400) {
			keys = append(keys, word())
		}
		p := filledPage(keys, 4096<<r.IntN(4), r.IntN(40))
		require.NoError(t, p.check())
		for range 100 {
			key := word()
			i, found := findNaive(p, key)
			gotI, got := p.find(key)
			require.Equal(t, []any{i, found}, []any{gotI, got}, "%q", key)
			if gotI, got = p.lookUp(key); found {
				require.Equal(t, i, gotI, "%q", key)
			}
			require.Equal(t, found, got, "%q", key)
		}
	}
}

// BenchmarkFind looks for keys that are there, in a thousand pages in turns, so that
// memory has its say.
func BenchmarkFind(b *testing.B) {
	for _, c := range []struct {
		name     string
		valueLen int
	}{{"leaf", 100}, {"inner", 4}} {
		pages := make([]*page, 1000)
		keys := make([][]byte, len(pages))
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range pages {
			var some [][]byte
			for range 300 {
				some = append(some, binary.BigEndian.AppendUint64(fmt.Appendf(nil, "%06d/", i), rng.Uint64()))
			}
			pages[i] = filledPage(some, 4096, c.valueLen)
			keys[i] = bytes.Clone(pages[i].key(rng.IntN(pages[i].count())))
		}
		for _, impl := range []struct {
			name string
			find func(*page, []byte) (int, bool)
		}{{"plinth", (*page).find}, {"naive", findNaive}} {
			b.Run(fmt.Sprintf("impl=%s/case=%s/n=%d", impl.name, c.name, pages[0].count()), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i = (i + 1) % len(pages) {
					if _, found := impl.find(pages[i], keys[i]); !found {
						b.Fatal("not found")
					}
				}
			})
		}
	}
}

// naiveStore is a store as one would write it first: a sorted slice, written to the file
// as a whole by each commit.
type naiveStore struct {
	file    vfs.File
	entries []Entry
}

func (s *naiveStore) put(key, value []byte) error {
	i, found := slices.BinarySearchFunc(s.entries, key, func(e Entry, key []byte) int { return bytes.Compare(e.Key, key) })
	if found {
		s.entries[i].Value = bytes.Clone(value)
	} else {
		s.entries = slices.Insert(s.entries, i, Entry{bytes.Clone(key), bytes.Clone(value)})
	}
	var b []byte
	for _, e := range s.entries {
		b = appendPut(b, e.Key, e.Value)
	}
	if _, err := s.file.WriteAt(b, 0); err != nil {
		return err
	}
	return s.file.Sync()
}

// BenchmarkCommit puts n keys again at random, each in a commit of its own.
func BenchmarkCommit(b *testing.B) {
	const n = 1000
	for _, impl := range []string{"plinth", "naive"} {
		b.Run(fmt.Sprintf("impl=%s/case=synced/n=%d", impl, n), func(b *testing.B) {
			disk := vfs.NewCounter(vfs.NewMem())
			d, err := Open("db", Options{FS: disk})
			require.NoError(b, err)
			f, err := disk.Open("naive", vfs.Create, "naive")
			require.NoError(b, err)
			s := naiveStore{file: f}
			put := s.put
			if impl == "plinth" {
				put = d.Put
			}
			value, puts := make([]byte, 100), 0
			for i := range n {
				require.NoError(b, put(benchKey(nil, i), value))
			}
			before := disk.Counts()
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				require.NoError(b, put(benchKey(nil, rng.IntN(n)), value))
				puts++
			}
			written := disk.Counts().Sub(before).Total().BytesWritten
			b.ReportMetric(float64(written)/float64(116*puts), "write-amp")
			require.NoError(b, d.Close())
		})
	}
}
