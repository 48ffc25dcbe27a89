"""New messages: from the bytes of an upload to rows on the stage."""
