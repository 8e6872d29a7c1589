package btree

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/disk"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
)

func reopenedContent(o Options) (string, error) {
	db, err := Open("db", o)
	if err != nil {
		return "", err
	}
	content, err := contentOf(db)
	return content, errors.Join(err, db.Close())
}

// TestEveryByteFlipped damages each byte of a store, one after the other: it opens and
// answers as before, or says ErrCorrupt or ErrFormat, at the latest when the damaged
// part is read, and Verify finds what a scan meets. One store was closed; of the other,
// transactions are in the log, as a power cut leaves them. There the last record may be
// taken for one that the power cut has torn: nothing in the log says that it was whole.
// Planted and caught: pages without a checksum; a Close that does not write the other
// meta page.
func TestEveryByteFlipped(t *testing.T) {
	stride := int64(7)
	switch {
	case form.Raced():
		stride = 31
	case form.Long():
		stride = 1
	}
	for _, crashed := range []bool{false, true} {
		t.Run(fmt.Sprintf("crashed=%t", crashed), func(t *testing.T) {
			mem := vfs.NewMem()
			o := Options{FS: mem, segmentSize: 8 << 10}
			db := opened(t, o)
			for i := range 12 {
				require.NoError(t, db.Put(fmt.Appendf(nil, "k%02d", i*7%12), bytes.Repeat(fmt.Appendf(nil, "%d|", i), 150)))
				if i == 4 {
					require.NoError(t, db.Checkpoint())
				}
			}
			require.NoError(t, db.Put([]byte("k03"), bytes.Repeat([]byte("large"), 1000)))
			require.NoError(t, db.Delete([]byte("k05")))
			require.NoError(t, db.Checkpoint())
			require.NoError(t, db.Put([]byte("k06"), []byte("in the log")))
			before, err := contentOf(db)
			require.NoError(t, err)
			require.NoError(t, db.Put([]byte("k07"), []byte("the last one")))
			want, err := contentOf(db)
			require.NoError(t, err)
			base := mem.Clone()
			require.NoError(t, db.Close())
			if !crashed {
				base, before = mem, want
			}
			flipAll(t, o, base, want, before, stride)
		})
	}
}

func flipAll(t *testing.T, o Options, base *vfs.Mem, want, before string, stride int64) {
	damaged, harmless, unread := 0, 0, 0
	for d := range disk.Flips(t, base, "db", stride) {
		o.FS = d.FS
		verified := Verify("db", o)
		got, err := reopenedContent(o)
		if want == before && d.Name == "db/tree" && d.At < firstPage*minPageSize {
			require.NoError(t, err, "the other meta page says the same: %d", d.At)
		}
		if err != nil {
			require.Error(t, verified, "%s at %d: %v", d.Name, d.At, err)
			require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrFormat), "%s at %d: %v", d.Name, d.At, err)
			damaged++
		} else {
			if !strings.HasSuffix(d.Name, ".wal") || got != before {
				require.Equal(t, want, got, "%s at %d", d.Name, d.At)
			}
			harmless++
		}
		if verified != nil {
			require.True(t, errors.Is(verified, ErrCorrupt) || errors.Is(verified, ErrFormat), "%s at %d: %v", d.Name, d.At, verified)
			if err == nil {
				unread++
			}
		}
	}
	t.Logf("%d flips reported, %d harmless to a scan, of which Verify reports %d", damaged, harmless, unread)
	require.Greater(t, damaged, harmless/20)
}

// TestNewestMetaDamaged damages the newest meta page at each point of a history without
// a log. Then an older tree counts, of which pages may have been written over: that is
// found out, or it is whole. Planted and caught: a page that is not compared with the
// transaction of the one above it.
func TestNewestMetaDamaged(t *testing.T) {
	h := crashCases()["no log"]
	h.t, h.w = t, newWitness()
	h.run(70)
	var contents []string
	for _, c := range h.calls {
		contents = append(contents, c.After)
	}
	refused := 0
	for point := h.calls[1].End; point <= h.w.Ops(); point++ {
		for c := range h.w.Crashes(point) {
			if c.Event > vfs.OneAlone {
				break
			}
			f, err := c.Disk.Open("db/tree", vfs.ReadOnly, "test")
			require.NoError(t, err)
			b := make([]byte, firstPage*minPageSize)
			_, err = f.ReadAt(b, 0)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			one, _ := decodeMeta(b)
			other, _ := decodeMeta(b[minPageSize:])
			at := int64(100)
			if other.generation > one.generation {
				at += minPageSize
			}
			disk.Flip(t, c.Disk, "db/tree", at)
			got, err := reopenedContent(h.o.on(c.Disk))
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				refused++
			} else {
				require.Contains(t, contents, got, "%v", c)
			}
		}
	}
	require.Positive(t, refused)
}
