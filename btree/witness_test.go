package btree

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/crash"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// What a disk operation can be a part of.
const (
	logs         crash.Happening = "write of the log"              // of a transaction
	seals        crash.Happening = "rotation of the log's segment" // the log begins another
	forgets      crash.Happening = "truncation of the log"
	writesLeaf   crash.Happening = "write of leaves"
	writesInner  crash.Happening = "write of inner pages"
	writesValue  crash.Happening = "write of large values"
	writesMap    crash.Happening = "write of the map"
	writesMeta   crash.Happening = "write of a meta page" // the commit of a checkpoint
	cuts         crash.Happening = "cut of the file"      // it becomes shorter
	creates      crash.Happening = "naming of the file"
	splits       crash.Happening = "split" // there are more leaves behind the call than before
	merges       crash.Happening = "merge" // there are fewer
	grows        crash.Happening = "a higher tree"
	shrinks      crash.Happening = "a lower tree"
	commitsLarge crash.Happening = "large transaction" // one that is committed by a checkpoint
	compacts     crash.Happening = "compaction"
	reopens      crash.Happening = "opening"
	closes       crash.Happening = "closing"
)

func happenings() []crash.Happening {
	return []crash.Happening{logs, seals, forgets, writesLeaf, writesInner, writesValue, writesMap, writesMeta, cuts,
		creates, splits, merges, grows, shrinks, commitsLarge, compacts, reopens, closes}
}

// newWitness returns a disk that knows what its operations are about, from the categories
// of files, and from the pages and the log that are written.
func newWitness() *crash.Witness {
	var log crash.Log
	return crash.NewWitness(func(op crash.Op, note func(crash.Happening)) {
		switch {
		case op.Kind == vfs.OpRename && op.Name == "db/"+fileName:
			note(creates)
		case op.Kind == vfs.OpTruncate && op.Category == categoryTree:
			note(cuts)
		case op.Kind == vfs.OpWriteAt && op.Category == categoryTree:
			for b := op.Data; len(b) >= minPageSize; b = b[minPageSize:] {
				notePage(b, note)
			}
		case op.Category == wal.Category:
			for entry := range log.Entries(op) {
				note(map[crash.Entry]crash.Happening{crash.Record: logs, crash.Truncation: forgets, crash.Rotation: seals}[entry])
			}
		}
	})
}

// notePage notes what is written in a page. Whatever the size of one, it begins at some
// multiple of the smallest.
func notePage(b []byte, note func(crash.Happening)) {
	if string(b[8:16]) == metaMagic {
		note(writesMeta)
		return
	}
	switch kind(b[20]) {
	case leafPage:
		note(writesLeaf)
	case innerPage:
		note(writesInner)
	case valuePage:
		note(writesValue)
	case mapPage:
		note(writesMap)
	}
}

func opened(t testing.TB, o Options) *DB {
	db, err := Open("db", o)
	require.NoError(t, err)
	return db
}
