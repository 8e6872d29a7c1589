package lsm_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/vfs"
)

func Example() {
	db, err := lsm.Open("stock", lsm.Options{FS: vfs.NewMem()}) // without FS: the real disk
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	if err := db.Put([]byte("apples"), []byte("12")); err != nil {
		log.Fatal(err) // not acknowledged
	}
	value, err := db.Get([]byte("apples"))
	fmt.Printf("%s %v\n", value, err)

	_, err = db.Get([]byte("pears"))
	fmt.Println(errors.Is(err, lsm.ErrNotFound))
	// Output:
	// 12 <nil>
	// true
}

// basket is a store with some fruit.
func basket() *lsm.DB {
	db, err := lsm.Open("stock", lsm.Options{FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	for _, fruit := range []string{"apple", "banana", "cherry", "fig"} {
		if err := db.Put([]byte(fruit), fmt.Append(nil, len(fruit))); err != nil {
			log.Fatal(err)
		}
	}
	return db
}

func ExampleDB_Scan() {
	db := basket()
	defer db.Close()
	for e, err := range db.Scan([]byte("b"), []byte("d")) { // from b on, before d
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s=%s\n", e.Key, e.Value)
	}
	// Output:
	// banana=6
	// cherry=6
}

// All of a batch is applied, or nothing.
func ExampleBatch() {
	db := basket()
	defer db.Close()
	var b lsm.Batch
	b.Delete([]byte("fig"))
	b.Put([]byte("grape"), []byte("5"))
	if err := db.Apply(&b); err != nil {
		log.Fatal(err)
	}
	_, err := db.Get([]byte("fig"))
	fmt.Println(b.Len(), "changes;", err)
	// Output:
	// 2 changes; lsm: not found
}

// A snapshot does not see what changes later.
func ExampleSnapshot() {
	db := basket()
	defer db.Close()
	before := db.Snapshot()
	defer before.Close()
	if err := db.Put([]byte("fig"), []byte("many")); err != nil {
		log.Fatal(err)
	}
	if err := db.Compact(context.Background(), nil, nil); err != nil {
		log.Fatal(err)
	}
	old, _ := before.Get([]byte("fig"))
	now, _ := db.Get([]byte("fig"))
	fmt.Printf("%s %s\n", old, now)
	// Output:
	// 3 many
}

func ExampleIterator() {
	db := basket()
	defer db.Close()
	it := db.NewIterator(lsm.IterOptions{Upper: []byte("d")})
	defer it.Close()
	for it.Last(); it.Valid(); it.Prev() {
		fmt.Printf("%s ", it.Key())
	}
	if err := it.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// cherry banana apple
}

// A policy is asked for what to do with what there is.
func ExampleLeveled() {
	task, ok := lsm.Leveled{}.Pick(lsm.Layout{
		MemTableSize: 100,
		Levels: [][]lsm.TableInfo{
			{{Number: 9, Size: 100}, {Number: 8, Size: 100}, {Number: 7, Size: 100}, {Number: 5, Size: 100}},
			nil, nil, nil, nil, nil,
			{{Number: 1, Size: 900}, {Number: 2, Size: 900}},
		},
	})
	fmt.Println(ok, task.Tables, "from", task.Level, "to", task.Output)
	// Output:
	// true [9 8 7 5] from 0 to 5
}

func ExampleVerify() {
	disk := vfs.NewMem()
	db, _ := lsm.Open("stock", lsm.Options{FS: disk})
	db.Put([]byte("apples"), []byte("12"))
	db.Flush()
	db.Close()
	fmt.Println(lsm.Verify("stock", lsm.Options{FS: disk}))

	file, _ := disk.Open("stock/00000001.table", vfs.ReadWrite, "")
	file.WriteAt([]byte("13"), 17)
	err := lsm.Verify("stock", lsm.Options{FS: disk})
	fmt.Println(errors.Is(err, lsm.ErrCorrupt))
	fmt.Println(err)
	// Output:
	// <nil>
	// true
	// lsm: corrupt: stock: sst: corrupt: table 1, block 0 at offset 0: checksum mismatch
}
