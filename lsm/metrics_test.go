package lsm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// TestMetrics compares what the store counts with what the disk has counted: the
// bytes of tables are those, to the byte, and the log has framing besides. Planted
// and caught: a flush that is not counted, moves that are counted as written.
func TestMetrics(t *testing.T) {
	disk := vfs.NewCounter(vfs.NewMem())
	db := opened(t, tiny(disk))
	value := bytes.Repeat([]byte("v"), 50)
	for i := range 3000 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "key%05d", i*7919%1000), value))
	}
	require.NoError(t, db.Flush())
	old := db.Snapshot()
	for i := range 500 {
		require.NoError(t, db.Delete(fmt.Appendf(nil, "key%05d", i)))
	}
	m := db.Metrics()
	require.Equal(t, 1, m.Snapshots)
	require.EqualValues(t, 500, m.SnapshotBehind)
	old.Close()
	require.NoError(t, db.Compact(context.Background(), nil, nil))
	m = db.Metrics()
	require.NoError(t, db.Close())

	require.EqualValues(t, 3000*58+500*8, m.UserBytes)
	counts := disk.Counts()
	require.EqualValues(t, counts.Files[categoryFlush].BytesWritten, m.FlushedBytes)
	require.EqualValues(t, counts.Files[categoryCompact].BytesWritten, m.CompactedBytes)
	require.Positive(t, m.Compactions)
	require.Zero(t, m.Snapshots)
	entries := uint64(0)
	for _, l := range m.Levels {
		entries += l.Entries
	}
	require.EqualValues(t, 500, entries)
	tables, all := m.WriteAmplification()
	require.InDelta(t, float64(m.FlushedBytes+m.CompactedBytes)/float64(m.UserBytes), tables, 0.001)
	require.Greater(t, all, tables+1)

	text, err := json.Marshal(m)
	require.NoError(t, err)
	require.Contains(t, string(text), `"user_bytes":178000`)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "store", m)
	require.Contains(t, log.String(), "store.user_bytes=178000 ")
}
