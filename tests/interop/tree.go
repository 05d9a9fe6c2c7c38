// Verifies a log's tree from its files, with Go's own implementation of notes and of trees:
// tree.go FOLDER VERIFIER-KEY. Prints the size.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// name is a number in groups of three digits, as tlog-tiles writes it.
func name(number int64) string {
	text := fmt.Sprintf("%03d", number%1000)
	for number /= 1000; number > 0; number /= 1000 {
		text = fmt.Sprintf("x%03d/%s", number%1000, text)
	}
	return text
}

// width is how many entries a tile has in a tree of this size.
func width(size, number int64) int64 {
	if rest := size - number*256; rest < 256 {
		return rest
	}
	return 256
}

// tile reads a full tile, or one of so many entries.
func tile(folder, kind string, number, width int64) ([]byte, error) {
	path := filepath.Join(folder, "tile", kind, name(number))
	if width < 256 {
		part, err := os.ReadFile(path + ".p/" + strconv.FormatInt(width, 10))
		if err == nil {
			return part, nil
		}
	}
	return os.ReadFile(path)
}

// entries gives all entries of a tree of this size.
func entries(folder string, size int64) ([][]byte, error) {
	var all [][]byte
	for number := int64(0); number*256 < size; number++ {
		bundle, err := tile(folder, "entries", number, width(size, number))
		if err != nil {
			return nil, err
		}
		for len(bundle) > 2 && int64(len(all)) < size {
			length := int(binary.BigEndian.Uint16(bundle))
			if len(bundle) < 2+length {
				return nil, fmt.Errorf("bundle %d is cut", number)
			}
			all = append(all, bundle[2:2+length])
			bundle = bundle[2+length:]
		}
	}
	return all, nil
}

// hashes checks the tiles of level 0 against the entries.
func hashes(folder string, all [][]byte) error {
	for n, entry := range all {
		number := int64(n) / 256
		octets, err := tile(folder, "0", number, width(int64(len(all)), number))
		if err != nil {
			return err
		}
		at := n % 256 * 32
		hash := tlog.RecordHash(entry)
		if len(octets) < at+32 || string(octets[at:at+32]) != string(hash[:]) {
			return fmt.Errorf("tile/0/%s has another hash at %d", name(number), n%256)
		}
	}
	return nil
}

func verify(folder, key string) (int64, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return 0, err
	}
	signed, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(signed.Text, "\n")
	if lines[0] != verifier.Name() {
		return 0, fmt.Errorf("the origin is %s", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return 0, err
	}
	all, err := entries(folder, size)
	if err != nil {
		return 0, err
	}
	if int64(len(all)) != size {
		return 0, fmt.Errorf("%d entries of %d", len(all), size)
	}
	if err := hashes(folder, all); err != nil {
		return 0, err
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	for n, entry := range all {
		more, err := tlog.StoredHashesForRecordHash(int64(n), tlog.RecordHash(entry), reader)
		if err != nil {
			return 0, err
		}
		stored = append(stored, more...)
	}
	rebuilt, err := tlog.TreeHash(size, reader)
	if err != nil {
		return 0, err
	}
	if rebuilt != root {
		return 0, fmt.Errorf("the entries have root %v, and %v was signed", rebuilt, root)
	}
	return size, nil
}

func main() {
	size, err := verify(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(size)
}
