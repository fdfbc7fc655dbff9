!> Mean and covariance of a growing set of vectors, and their Cholesky factor.
module running_covariance
   use kinds, only: dp
   implicit none (type, external)
   private

   public :: add_to_factor, cholesky_factor, moments

   !> Sums over the vectors added so far (Welford's recurrence: no cancellation).
   type :: moments
      integer :: count = 0
      real(dp), allocatable :: mean(:)
      real(dp), allocatable :: scatter(:, :)   !< sum of outer products of deviations; lower triangle only
   contains
      procedure :: clear
      procedure :: add
      procedure :: covariance
   end type moments

contains

   pure subroutine clear(self, n)
      class(moments), intent(inout) :: self
      integer, intent(in) :: n

      self%count = 0
      if (allocated(self%mean)) deallocate (self%mean, self%scatter)
      allocate (self%mean(n), self%scatter(n, n))
      self%mean = 0.0_dp
      self%scatter = 0.0_dp
   end subroutine clear

   pure subroutine add(self, vector)
      class(moments), intent(inout) :: self
      real(dp), intent(in) :: vector(:)
      real(dp) :: deviation(size(vector)), share
      integer :: j

      self%count = self%count + 1
      share = 1.0_dp/real(self%count, dp)
      deviation = vector - self%mean
      self%mean = self%mean + deviation*share
      do j = 1, size(vector)
         self%scatter(j:, j) = self%scatter(j:, j) + (1.0_dp - share)*deviation(j)*deviation(j:)
      end do
   end subroutine add

   !> Unbiased covariance (lower triangle); zero before the second vector.
   pure function covariance(self) result(matrix)
      class(moments), intent(in) :: self
      real(dp) :: matrix(size(self%mean), size(self%mean))

      matrix = self%scatter/real(max(1, self%count - 1), dp)
   end function covariance

   !> Lower factor L of a matrix L L' given by its lower triangle. Directions without variance get a zero column.
   pure subroutine cholesky_factor(matrix, factor)
      real(dp), intent(in) :: matrix(:, :)
      real(dp), intent(out) :: factor(:, :)
      real(dp) :: pivot
      integer :: j, k, n

      n = size(matrix, 1)
      factor = 0.0_dp
      do j = 1, n
         factor(j:, j) = matrix(j:, j)
         do k = 1, j - 1
            factor(j:, j) = factor(j:, j) - factor(j, k)*factor(j:, k)
         end do
         pivot = factor(j, j)
         if (pivot > epsilon(pivot)*matrix(j, j)) then
            factor(j:, j) = factor(j:, j)/sqrt(pivot)
         else
            factor(j:, j) = 0.0_dp
         end if
      end do
   end subroutine cholesky_factor

   !> Factor of L L' + x x' from L, by Givens rotations.
   pure subroutine add_to_factor(x, factor)
      real(dp), intent(in) :: x(:)
      real(dp), intent(inout) :: factor(:, :)
      real(dp) :: rest(size(x)), column(size(x)), length, cosine, sine
      integer :: k

      rest = x
      do k = 1, size(x)
         length = sqrt(factor(k, k)**2 + rest(k)**2)
         if (.not. length > 0.0_dp) cycle
         cosine = factor(k, k)/length
         sine = rest(k)/length
         column(k:) = factor(k:, k)
         factor(k:, k) = cosine*column(k:) + sine*rest(k:)
         rest(k:) = cosine*rest(k:) - sine*column(k:)
      end do
   end subroutine add_to_factor

end module running_covariance
