"""What a change of the mappings needs: nothing, a rebuild from the rows, or a reload of tables; and what that costs."""
