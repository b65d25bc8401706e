;;; eglot.el --- lets Emacs's own LSP client carry out a spark comment  -*- lexical-binding: t -*-
;;
;;   emacs -Q --batch -l eglot.el -- FILE BEFORE COMMENT LOG
;;
;; Opens FILE, puts the line COMMENT above the line that begins with BEFORE, runs the code action "Edit with spark"
;; there, waits until the server has said that the edit is at its end, and writes the file.

(require 'eglot)

(define-derived-mode spark-test-go-mode prog-mode "Go"
  "The languages that Emacs 30 has a mode for without a tree-sitter library do not include Go.")
(add-to-list 'auto-mode-alist '("\\.go\\'" . spark-test-go-mode))

(defvar spark-test-ended nil "Non-nil when the server has ended its progress.")
(cl-defmethod eglot-handle-notification :after (_server (_method (eql $/progress)) &key _token value &allow-other-keys)
  (when (equal (plist-get value :kind) "end") (setq spark-test-ended t)))

(defun spark-test-wait (what predicate)
  "Wait until PREDICATE holds, at most 15 seconds.  WHAT it is goes into the error."
  (let ((deadline (+ (float-time) 15)))
    (while (not (funcall predicate))
      (when (> (float-time) deadline) (error "Waited in vain for %s" what))
      (accept-process-output nil 0.01)
      ;; The timer that sends changes runs when Emacs is idle, and in batch it never is.
      (when (eglot-current-server) (eglot--signal-textDocument/didChange)))))

(pcase-let ((`(,file ,before ,comment ,log) (cdr command-line-args-left)))
  (setq command-line-args-left nil
        eglot-sync-connect 15
        eglot-confirm-server-edits nil
        make-backup-files nil
        create-lockfiles nil)
  (add-to-list 'eglot-server-programs
               `((spark-test-go-mode :language-id "go") . ("spark-lsp" "--stdio" "--log" ,log)))
  (find-file file)
  (apply #'eglot (eglot--guess-contact))
  (re-search-forward (concat "^" (regexp-quote before)))
  (beginning-of-line)
  (insert comment "\n")
  (forward-line -1)
  (eglot--signal-textDocument/didChange)
  (let* ((actions (eglot-code-actions (point) (point) nil nil))
         (action (seq-find (lambda (a) (equal (plist-get a :title) "Edit with spark")) actions)))
    (unless action (error "No such code action in %S" actions))
    (eglot-execute (eglot--current-server-or-lose) action))
  (spark-test-wait "the edit's end" (lambda () spark-test-ended))
  (let ((coding-system-for-write 'utf-8-unix)) (save-buffer))
  (eglot-shutdown (eglot--current-server-or-lose)))
