package main

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// auditRecord is what is written down of a call when its audit ends.
type auditRecord struct {
	method  string
	started time.Time
	request []byte // at most auditBytes of it
}

const (
	auditBytes = 256
	auditTime  = time.Hour
)

// auditUnary follows every unary call.
func auditUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	done := audit(info.FullMethod, req)
	defer done()
	return handler(ctx, req)
}

// auditStream follows every streaming call.
func auditStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	done := audit(info.FullMethod, nil)
	defer done()
	return handler(srv, stream)
}

// audit starts to follow one call and returns what to do when the call ends.
//
// The leak: the context hangs below one that lives as long as the server, its deadline is an hour away, and
// with -leak nobody cancels it. So context, timer and goroutine stay for an hour after the call.
func audit(method string, req any) (done func()) {
	record := newAuditRecord(method, req)
	auditCtx, cancel := context.WithTimeout(server.baseCtx, auditTime)
	go func() {
		<-auditCtx.Done()
		record.close()
	}()
	if *fixed {
		return func() { cancel(); counters.ended() }
	}
	return counters.ended
}

func newAuditRecord(method string, req any) *auditRecord {
	counters.began()
	record := &auditRecord{method: method, started: time.Now(), request: make([]byte, 0, auditBytes)}
	if message, ok := req.(proto.Message); ok {
		text, err := proto.Marshal(message)
		if err == nil {
			record.request = append(record.request, text[:min(len(text), auditBytes)]...)
		}
	}
	return record
}

// close is the bookkeeping at the end of an audit.
func (r *auditRecord) close() {
	counters.closed(time.Since(r.started), len(r.request))
}
