package sst_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/vfs"
)

// fruits writes a table in which the price of figs has changed.
func fruits() vfs.File {
	file, err := vfs.NewMem().Open("fruits", vfs.Create, "table")
	if err != nil {
		log.Fatal(err)
	}
	w := sst.NewWriter(file, sst.WriterOptions{Number: 1, BloomBitsPerKey: 10})
	for _, e := range []struct {
		key   string
		seq   uint64
		kind  sst.Kind
		value string
	}{
		{"apple", 3, sst.Set, "2"},
		{"fig", 9, sst.Delete, ""},
		{"fig", 5, sst.Set, "7"},
		{"fig", 1, sst.Set, "8"},
		{"pear", 2, sst.Set, "3"},
	} {
		if err := w.Add([]byte(e.key), sst.NewTrailer(e.seq, e.kind), []byte(e.value)); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		log.Fatal(err)
	}
	return file
}

func Example() {
	table, err := sst.Open(fruits(), sst.Options{Number: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, seq := range []uint64{0, 4, 6, sst.MaxSeq} {
		value, trailer, ok, err := table.Get([]byte("fig"), seq)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("as of %d: %v %v %q\n", seq, ok, trailer, value)
	}
	// Output:
	// as of 0: false #0 delete ""
	// as of 4: true #1 set "8"
	// as of 6: true #5 set "7"
	// as of 72057594037927935: true #9 delete ""
}

func ExampleWriter() {
	file, err := vfs.NewMem().Open("t", vfs.Create, "table")
	if err != nil {
		log.Fatal(err)
	}
	w := sst.NewWriter(file, sst.WriterOptions{})
	fmt.Println(w.Add([]byte("b"), sst.NewTrailer(1, sst.Set), nil))
	fmt.Println(w.Add([]byte("a"), sst.NewTrailer(2, sst.Set), nil))
	// Output:
	// <nil>
	// sst: entries are not in order: "a" #2 set behind "b" #1 set
}

func ExampleIterator() {
	table, err := sst.Open(fruits(), sst.Options{Number: 1})
	if err != nil {
		log.Fatal(err)
	}
	it := table.NewIterator()
	for it.SeekGE([]byte("b"), sst.Latest(sst.MaxSeq)); it.Valid(); it.Next() {
		fmt.Printf("%s %v %q\n", it.Key(), it.Trailer(), it.Value())
	}
	if err := it.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// fig #9 delete ""
	// fig #5 set "7"
	// fig #1 set "8"
	// pear #2 set "3"
}

// Blocks stay in memory between reads if there is a cache, which tables share.
func ExampleTable() {
	blocks, err := cache.New(cache.Config[sst.BlockID, *sst.Block]{
		MaxCost: 64 << 20,
		Cost:    func(_ sst.BlockID, b *sst.Block) int64 { return int64(b.Size()) },
	})
	if err != nil {
		log.Fatal(err)
	}
	table, err := sst.Open(fruits(), sst.Options{Number: 1, Cache: blocks})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if _, _, ok, err := table.Get([]byte("pear"), sst.MaxSeq); err != nil || !ok {
			log.Fatal(ok, err)
		}
	}
	fmt.Println("blocks in memory:", blocks.Len())
	fmt.Println("durian:", table.MayContain(sst.HashKey([]byte("durian"))))
	fmt.Println("damage:", table.Verify())
	// Output:
	// blocks in memory: 1
	// durian: false
	// damage: <nil>
}
