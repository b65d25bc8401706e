package server

import (
	"encoding/json"
	"errors"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/spark-lsp/spark-lsp/session"
)

// maskedLog is a logger in which secrets are masked as they are in what goes to a model. Nothing of code is logged above
// debug; below, names of files are, and an error may quote what it is about.
func (s *Server) maskedLog(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return maskedCore{c, s} }))
}

// unquoted is a request's error for the log. What the endpoint says in it may quote the request, so only its kind is told.
func unquoted(err error) zap.Field {
	var e *session.Error
	if errors.As(err, &e) {
		return zap.String("error", string(e.Kind))
	}
	return zap.Error(err)
}

type maskedCore struct {
	zapcore.Core
	s *Server
}

func (c maskedCore) With(fields []zapcore.Field) zapcore.Core {
	return maskedCore{c.Core.With(c.mask(fields)), c.s}
}

func (c maskedCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c maskedCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if m := c.s.masker(); m != nil {
		e.Message = m.Mask(e.Message)
	}
	return c.Core.Write(e, c.mask(fields))
}

func (c maskedCore) mask(fields []zapcore.Field) []zapcore.Field {
	m := c.s.masker()
	if m == nil {
		return fields
	}
	out := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		out[i] = f
		switch f.Type {
		case zapcore.StringType:
			out[i].String = m.Mask(f.String)
		case zapcore.BoolType, zapcore.DurationType, zapcore.Int64Type, zapcore.Int32Type, zapcore.Uint64Type, zapcore.Float64Type, zapcore.TimeType, zapcore.SkipType:
		default: // errors, lists, structures: as they would be written
			enc := zapcore.NewMapObjectEncoder()
			f.AddTo(enc)
			text, err := json.Marshal(enc.Fields[f.Key])
			if err != nil {
				out[i] = zap.String(f.Key, "not to be written")
			} else if masked := m.Mask(string(text)); masked != string(text) {
				out[i] = zap.String(f.Key, masked)
			}
		}
	}
	return out
}
