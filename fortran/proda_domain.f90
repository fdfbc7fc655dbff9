!> Valid parameter vectors of the `proda` scheme: each parameter within its range, and no soil pool passing on more
!> carbon than it loses.
module proda_domain
   use kinds, only: dp
   use proda_parameters, only: n_parameters, i_fs1s2, i_fs1s3, i_fs2s1, i_fs2s3
   implicit none (type, external)
   private

   public :: first_impossible_row

contains

   !> The first row (1-based) with a parameter outside `lowest` to `highest`, or with fractions of S1's or S2's loss
   !> that sum to more than `most_passed_on`; 0 where all rows are possible. NaN is not.
   function first_impossible_row(n_rows, parameters, lowest, highest, most_passed_on, threads) result(first)
      integer, intent(in) :: n_rows, threads
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      real(dp), intent(in) :: lowest(n_parameters), highest(n_parameters), most_passed_on
      integer :: first
      integer :: row

      first = n_rows + 1
      !$omp parallel do num_threads(threads) schedule(static) reduction(min: first)
      do row = 1, n_rows
         if (.not. is_possible(parameters(:, row), lowest, highest, most_passed_on)) first = min(first, row)
      end do
      if (first > n_rows) first = 0
   end function first_impossible_row

   pure function is_possible(parameter, lowest, highest, most_passed_on) result(possible)
      real(dp), intent(in) :: parameter(n_parameters), lowest(n_parameters), highest(n_parameters), most_passed_on
      logical :: possible
      integer :: within, i

      within = 0
      !$omp simd reduction(+: within)
      do i = 1, n_parameters
         within = within + merge(1, 0, parameter(i) >= lowest(i) .and. parameter(i) <= highest(i))
      end do
      possible = within == n_parameters &
                 .and. parameter(i_fs1s2) + parameter(i_fs1s3) <= most_passed_on &
                 .and. parameter(i_fs2s1) + parameter(i_fs2s3) <= most_passed_on
   end function is_possible

end module proda_domain
