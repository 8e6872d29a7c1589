package btree_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"

	"github.com/plinth-go/plinth/btree"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

func Example() {
	db, err := btree.Open("stock", btree.Options{FS: vfs.NewMem()}) // without FS: the real disk
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
	fmt.Println(errors.Is(err, btree.ErrNotFound))
	// Output:
	// 12 <nil>
	// true
}

// Two accounts, and money that is never in both or in neither.
func ExampleDB_Update() {
	db, err := btree.Open("bank", btree.Options{FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	err = db.Update(func(tx *btree.Tx) error {
		if err := tx.Put([]byte("alice"), []byte("90")); err != nil {
			return err
		}
		return tx.Put([]byte("bob"), []byte("10"))
	})
	fmt.Println(err)
	err = db.View(func(tx *btree.Tx) error {
		for e, err := range tx.Scan([]byte("a"), []byte("c")) {
			if err != nil {
				return err
			}
			fmt.Printf("%s has %s\n", e.Key, e.Value)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// alice has 90
	// bob has 10
	// <nil>
}

// A cursor goes back and forth, also while its transaction changes what it goes over.
func ExampleCursor() {
	db, err := btree.Open("words", btree.Options{FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	err = db.Update(func(tx *btree.Tx) error {
		for _, word := range []string{"cedar", "ash", "birch", "elm"} {
			if err := tx.Put([]byte(word), nil); err != nil {
				return err
			}
		}
		c := tx.Cursor()
		for ok := c.Seek([]byte("b")); ok; ok = c.Next() {
			if string(c.Key()) == "cedar" {
				if err := tx.Delete(c.Key()); err != nil {
					return err
				}
			}
		}
		for ok := c.Last(); ok; ok = c.Prev() {
			fmt.Println(string(c.Key()))
		}
		return c.Err()
	})
	fmt.Println(err)
	// Output:
	// elm
	// birch
	// ash
	// <nil>
}

// A transaction that only reads sees the store as it was when it began.
func ExampleTx() {
	db, err := btree.Open("stock", btree.Options{FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if err := db.Put([]byte("apples"), []byte("12")); err != nil {
		log.Fatal(err)
	}

	tx, err := db.Begin(false)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	if err := db.Put([]byte("apples"), []byte("11")); err != nil {
		log.Fatal(err)
	}
	before, _ := tx.Get([]byte("apples"))
	now, _ := db.Get([]byte("apples"))
	fmt.Printf("%s, and now %s\n", before, now)
	// Output:
	// 12, and now 11
}

// A page is read as it is, so an entry is two slices of it.
func ExampleEntry() {
	db, err := btree.Open("stock", btree.Options{FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for _, fruit := range []string{"plums", "apples", "pears"} {
		if err := db.Put([]byte(fruit), []byte("fresh")); err != nil {
			log.Fatal(err)
		}
	}

	var last btree.Entry
	err = db.View(func(tx *btree.Tx) error {
		for e, err := range tx.Backward(nil, nil) {
			if err != nil {
				return err
			}
			last = btree.Entry{Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value)} // to keep it longer
			break
		}
		return nil
	})
	fmt.Printf("%s %s %v\n", last.Value, last.Key, err)
	// Output:
	// fresh plums <nil>
}

// Larger pages for larger values, no wait for the disk in a commit, and more memory.
func ExampleOptions() {
	db, err := btree.Open("cache", btree.Options{
		FS:         vfs.NewMem(),
		Durability: wal.Buffered,
		PageSize:   16 << 10,
		CacheSize:  256 << 20,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Put([]byte("page"), make([]byte, 3000)))
	fmt.Println(db.Close()) // now it is on the disk
	// Output:
	// <nil>
	// <nil>
}

// What a reader keeps shows in Stats.
func ExampleStats() {
	db, err := btree.Open("stock", btree.Options{FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin(false)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	for i := range 3 {
		if err := db.Put([]byte{'a' + byte(i)}, nil); err != nil {
			log.Fatal(err)
		}
	}
	s := db.Stats()
	fmt.Println(s.Entries, "entries,", s.Readers, "reader,", s.OldestBehind, "transactions behind")
	// Output:
	// 3 entries, 1 reader, 3 transactions behind
}

// A copy of a store that is in use.
func ExampleDB_Backup() {
	disk := vfs.NewMem()
	db, err := btree.Open("stock", btree.Options{FS: disk})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if err := db.Put([]byte("apples"), []byte("12")); err != nil {
		log.Fatal(err)
	}

	var backup bytes.Buffer
	if err := db.Backup(&backup); err != nil {
		log.Fatal(err)
	}
	if err := btree.Restore("copy", &backup, btree.Options{FS: disk}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(btree.Verify("copy", btree.Options{FS: disk}))
	// Output:
	// <nil>
}
