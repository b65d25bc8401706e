package server

import "github.com/spark-lsp/spark-lsp/delivery"

// profile is how streamed edits reach this editor: what it is, what it can, and what the settings say.
func (s *Server) profile() delivery.Profile {
	o := s.options()
	return delivery.Choose(delivery.Facts{
		ClientName:      s.client.Name,
		SparkEdit:       s.client.SparkEdit,
		Undojoin:        o.Undojoin,
		DocumentChanges: s.client.DocumentChanges,
	}, o.Delivery)
}
