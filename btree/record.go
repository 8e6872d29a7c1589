package btree

import (
	"encoding/binary"
	"errors"
)

// A record of the log is a transaction: what it has done to which keys, in order.
//
//	8 bytes  the number of the transaction, little-endian
//	op*      1 byte   0 delete, 1 put
//	         uvarint  length of the key, and the key
//	         uvarint  length of the value, and the value; only of a put
//
// Transaction 9 puts "k" = "v" and deletes "x":
//
//	09 00 00 00 00 00 00 00  01 01 6b 01 76  00 01 78

const (
	recordHeader = 8
	opDelete     = 0
	opPut        = 1
)

var errBadRecord = errors.New("no transaction")

func appendPut(b, key, value []byte) []byte {
	b = append(b, opPut)
	b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}

func appendDelete(b, key []byte) []byte {
	b = append(b, opDelete)
	return append(binary.AppendUvarint(b, uint64(len(key))), key...)
}

// parseRecord decodes a record and visits what it does. It visits nothing after an
// error, but what was before it.
func parseRecord(data []byte, visit func(put bool, key, value []byte) error) (tx uint64, err error) {
	if len(data) < recordHeader {
		return 0, errBadRecord
	}
	tx, data = binary.LittleEndian.Uint64(data), data[recordHeader:]
	for len(data) > 0 {
		put := data[0] == opPut
		ok := put || data[0] == opDelete
		var key, value []byte
		if ok {
			key, data, ok = cutBytes(data[1:])
		}
		if ok && put {
			value, data, ok = cutBytes(data)
		}
		if !ok || checkEntry(key, value) != nil {
			return tx, errBadRecord
		}
		if err := visit(put, key, value); err != nil {
			return tx, err
		}
	}
	return tx, nil
}

// cutBytes takes a length and as many bytes from the front.
func cutBytes(b []byte) (bytes, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return b[size:end:end], b[end:], true
}
