package btree

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
)

// TestCursorDuringChanges moves a cursor, and between moves its transaction puts and
// deletes, also the entry where the cursor is: it goes on from that key, as a place in a
// sorted slice does.
func TestCursorDuringChanges(t *testing.T) {
	r := seed.New(t)
	db := opened(t, Options{FS: vfs.NewMem()})
	tx, err := db.Begin(true)
	require.NoError(t, err)
	defer tx.Rollback()
	var keys []string // sorted
	c := tx.Cursor()
	at := "" // the key where the cursor is, "" for nowhere
	arrive := func(i int, ok bool) {
		require.NoError(t, c.Err())
		require.Equal(t, i >= 0 && i < len(keys), ok)
		if at = ""; ok {
			at = keys[i]
			require.Equal(t, at, string(c.Value()[:4]))
		}
		require.Equal(t, at, string(c.Key()))
	}
	steps := 20_000
	if form.Long() {
		steps = 200_000
	}
	for step := range steps {
		key := fmt.Sprintf("%04d", r.IntN(300))
		i, found := slices.BinarySearch(keys, key)
		here, there := slices.BinarySearch(keys, at)
		grow := step/1000%2 == 0
		switch n := r.IntN(12); {
		case n < 3 && grow, n < 1:
			require.NoError(t, tx.Put([]byte(key), append([]byte(key), make([]byte, r.IntN(1500))...)))
			if !found {
				keys = slices.Insert(keys, i, key)
			}
		case n < 3, n == 3 && at != "":
			if n == 3 {
				key, i, found = at, here, there
			}
			require.NoError(t, tx.Delete([]byte(key)))
			if found {
				keys = slices.Delete(keys, i, i+1)
			}
			if n == 3 {
				require.Nil(t, c.Value())
				require.Equal(t, key, string(c.Key()))
			}
		case n < 6 && at != "":
			if there {
				here++
			}
			arrive(here, c.Next())
		case n < 9 && at != "":
			arrive(here-1, c.Prev())
		case n == 9:
			arrive(i, c.Seek([]byte(key)))
		case n == 10:
			arrive(len(keys)-1, c.Last())
		case n == 11:
			arrive(0, c.First())
		}
	}
	require.NoError(t, tx.Commit())
	invariant(t, db)
	require.NoError(t, db.Close())
}
