package btree_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/plinth-go/plinth/btree"
	"github.com/plinth-go/plinth/vfs"
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
